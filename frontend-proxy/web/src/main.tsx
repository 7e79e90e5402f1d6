import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-http';
import { DocumentLoadInstrumentation } from '@opentelemetry/instrumentation-document-load';
import { StrictMode } from 'react';
import { createRoot } from 'react-dom/client';

import { openFirst } from './app';
import { reportError } from './errors';
import { parseRatio } from './ids';
import { meta, writeMeta } from './page';
import { contextFrom, startTelemetry, traceparentOf, uncaught } from './telemetry';
import { App } from './ui/App';
import { watchVitals } from './vitals';

import './styles/base.css';
import './styles/layout.css';
import './styles/posts.css';
import './styles/forms.css';

startTelemetry({
  version: __APP_VERSION__,
  samplingRatio: parseRatio(meta('sampling-ratio')),
  // Same origin: no key in the browser, no CORS, and the page's CSP needs no other address.
  exporter: new OTLPTraceExporter({ url: new URL('/v1/traces', location.origin).href }),
});
const report = (error: unknown) => void reportError(error, uncaught(error));
addEventListener('error', (event) => report(event.error ?? event.message));
addEventListener('unhandledrejection', (event) => report(event.reason));

// The page's load is one tree: the request that sent the document, below it this action, and below
// that the first requests, the browser's own timings and the web vitals.
void openFirst({ parent: contextFrom(meta('traceparent')), startTime: performance.timeOrigin }, ({ context }) => {
  // The document-load instrumentation takes its parent from this element and from nowhere else.
  writeMeta('traceparent', traceparentOf(context));
  new DocumentLoadInstrumentation();
  watchVitals(context);
});

createRoot(document.getElementById('root') as HTMLElement, {
  onUncaughtError: report,
  onCaughtError: report,
}).render(
  <StrictMode>
    <App />
  </StrictMode>,
);
