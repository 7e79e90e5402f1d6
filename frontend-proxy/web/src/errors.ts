// Errors that nobody handled, on their way to Rollbar and to the console, under the trace id of what the person did.
//
// They go through our own door (`/rollbar`), which has the token, sets the environment and drops what a page must not
// say. rollbar.js is 81 KB (26 gzipped), so a page in which nothing breaks never loads it.

import type Rollbar from 'rollbar';

import { match } from './routes';
import { signedInUser } from './session';

let loading: Promise<Rollbar> | undefined;

/** Tells Rollbar of an error. `traceId` leads to the spans of the same story; without one there is nothing to tell. */
export async function reportError(error: unknown, traceId: string | undefined): Promise<void> {
  if (traceId === undefined) return;
  // Now, and not when the script is there: the person may have gone on.
  const payload = describe();
  try {
    const rollbar = await (loading ??= load());
    rollbar.configure({ payload });
    rollbar.error(error instanceof Error ? error : new Error(String(error)), { trace_id: traceId });
  } catch {
    // The span has the error all the same.
    loading = undefined;
  }
}

async function load(): Promise<Rollbar> {
  const { default: Client } = await import('rollbar');
  return new Client({
    // rollbar.js wants one. The real one stays on the server.
    accessToken: 'held-by-the-server',
    endpoint: new URL('/rollbar/api/1/item/', location.origin).href,
    // main.tsx listens, and tells the trace too.
    captureUncaught: false,
    captureUnhandledRejections: false,
    // What led to the error is in the trace; the console's texts and the values of inputs are nobody's business.
    autoInstrument: false,
    captureIp: false,
    itemsPerMinute: 20,
  });
}

function describe() {
  const user = signedInUser();
  return {
    context: match(location.pathname + location.search).pattern,
    client: { javascript: { code_version: __APP_VERSION__, source_map_enabled: true } },
    code_version: __APP_VERSION__,
    ...(user && { person: { id: user.id } }),
  };
}
