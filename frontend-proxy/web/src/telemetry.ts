// How a click becomes the root of a trace.
//
//   traced('submit post', (action) => api.createPost(action, …))
//     └─ a root span, one for each thing a person does           (this file)
//          └─ a CLIENT span for each request it makes            (api.ts)
//               └─ `traceparent: 00-<trace id>-<span id>-01`     the rest of the system hangs below it
//
// The parent travels as an argument. A browser has no ambient context that survives `await`: zone.js
// patches promises to fake one, but native async functions slip through, and it costs 13 KB gzipped.

import { ROOT_CONTEXT, SpanKind, SpanStatusCode, TraceFlags, propagation, trace } from '@opentelemetry/api';
import type { Attributes, Context, Span, TimeInput } from '@opentelemetry/api';
import { W3CTraceContextPropagator } from '@opentelemetry/core';
import { resourceFromAttributes } from '@opentelemetry/resources';
import { BatchSpanProcessor, ParentBasedSampler, TraceIdRatioBasedSampler, WebTracerProvider } from '@opentelemetry/sdk-trace-web';
import type { SpanExporter, SpanProcessor } from '@opentelemetry/sdk-trace-web';
import { ATTR_ERROR_TYPE, ATTR_SERVICE_NAME, ATTR_SERVICE_VERSION } from '@opentelemetry/semantic-conventions';

import { EpochFirstIds } from './ids';
import { sessionId, signedInUser } from './session';

/** One thing a person does, and what its requests need to hang below it. */
export interface Action {
  readonly context: Context;
  readonly span: Span;
}

/** What the corner of the page shows about the last action. */
export interface LastAction {
  readonly name: string;
  readonly traceId: string;
  /** False when the sampling ratio left this trace out: then there is nothing to look at. */
  readonly sampled: boolean;
  /** Absent while the action runs. */
  readonly milliseconds?: number;
  readonly failed?: boolean;
}

export interface Settings {
  readonly version: string;
  readonly samplingRatio: number;
  readonly exporter: SpanExporter;
}

export interface ActionOptions {
  /** Only the page load has one: the request in which the server sent the page. */
  readonly parent?: Context;
  readonly startTime?: TimeInput;
  readonly attributes?: Attributes;
}

let provider: WebTracerProvider | undefined;
let lastAction: LastAction | undefined;
const watchers = new Set<() => void>();

/** Starts tracing. Without it every span is a no-op, and the app works all the same. */
export function startTelemetry({ version, samplingRatio, exporter }: Settings): void {
  provider = new WebTracerProvider({
    // The relay at /v1/traces overwrites these: what a browser says of itself cannot be believed.
    resource: resourceFromAttributes({ [ATTR_SERVICE_NAME]: 'cruddur-web', [ATTR_SERVICE_VERSION]: version }),
    idGenerator: new EpochFirstIds(),
    // A share of the traces, chosen by the trace id alone. The frontend-proxy does not believe a browser
    // that says "sampled": it works the same sum over the same id, so that no trace arrives in halves.
    sampler: new ParentBasedSampler({ root: new TraceIdRatioBasedSampler(samplingRatio) }),
    spanProcessors: [
      new WhoAndWhere(version),
      new BatchSpanProcessor(exporter, {
        // Soon enough that the trace is there when someone follows its link.
        scheduledDelayMillis: 500,
        // A page that is going away can still send what fits `keepalive`: 64 KiB in all, by the
        // fetch standard. A span is about 1 KB of JSON.
        maxExportBatchSize: 40,
        maxQueueSize: 1000,
      }),
    ],
  });
  // `traceparent` and `tracestate` only. The default adds baggage, which would leave in every request.
  provider.register({ propagator: new W3CTraceContextPropagator() });

  // The processor flushes on `visibilitychange` by itself. It listens for `pagehide` on the document,
  // where that event never comes: it is the window's.
  globalThis.addEventListener?.('pagehide', () => void flush());
}

/** The app's tracer. Asked for at each use, because a tracer taken before the start stays a no-op. */
export const tracer = () => trace.getTracer('cruddur-web', __APP_VERSION__);

/**
 * Runs what a person asked for inside a span of its own, the root of a new trace.
 *
 * `name` says what they did and must come from a small set (`navigate /@{handle}`, never the handle),
 * so that a thousand such actions can be counted as one kind.
 */
export async function traced<T>(name: string, run: (action: Action) => Promise<T>, options: ActionOptions = {}): Promise<T> {
  const { parent = ROOT_CONTEXT, startTime, attributes = {} } = options;
  const began = performance.now();
  const span = tracer().startSpan(name, { kind: SpanKind.INTERNAL, attributes, ...(startTime !== undefined && { startTime }) }, parent);
  const { traceId, traceFlags } = span.spanContext();
  const shown = { name, traceId, sampled: (traceFlags & TraceFlags.SAMPLED) !== 0 };
  show(shown);

  let failed = false;
  try {
    return await run({ context: trace.setSpan(parent, span), span });
  } catch (error) {
    failed = !isAbort(error);
    if (failed) recordError(span, error);
    if (error instanceof Error) traceIds.set(error, traceId);
    throw error;
  } finally {
    span.end();
    if (lastAction?.traceId === traceId) show({ ...shown, milliseconds: performance.now() - began, failed });
  }
}

/**
 * Marks a span as failed. An error passes through several spans on its way up, and each one says that
 * it failed; but only the first, where it happened, holds the exception itself.
 */
export function recordError(span: Span, error: unknown): void {
  const thrown = error instanceof Error ? error : new Error(String(error));
  if (!recorded.has(thrown)) {
    recorded.add(thrown);
    span.recordException(thrown);
  }
  span.setAttribute(ATTR_ERROR_TYPE, thrown.name);
  span.setStatus({ code: SpanStatusCode.ERROR, message: thrown.message });
}

const recorded = new WeakSet<Error>();

/** The trace in which an error came up: what someone who reports it should quote. */
export function traceIdOf(error: unknown): string | null {
  return (error instanceof Error && traceIds.get(error)) || null;
}

const traceIds = new WeakMap<Error, string>();

/** How many uncaught errors a page reports. A broken loop would otherwise report for ever. */
const MAX_UNCAUGHT = 20;
let uncaughtErrors = 0;

/**
 * An error that nobody handled, as a trace of its own, unless it came out of an action. Gives the trace to look at, or
 * nothing when the page has reported enough.
 */
export function uncaught(error: unknown): string | undefined {
  if (++uncaughtErrors > MAX_UNCAUGHT) return undefined;
  const span = tracer().startSpan('uncaught error', {}, ROOT_CONTEXT);
  recordError(span, error);
  span.end();
  return traceIdOf(error) ?? span.spanContext().traceId;
}

/** Someone left before the answer came. That is their right, not a fault. */
export function isAbort(error: unknown): boolean {
  return error instanceof DOMException && error.name === 'AbortError';
}

/**
 * Reads the `traceparent` that the server wrote into the page. The context it gives has a remote
 * parent, or none when the server wrote nothing.
 */
export function contextFrom(traceparent: string | undefined): Context {
  return traceparent ? propagation.extract(ROOT_CONTEXT, { traceparent }) : ROOT_CONTEXT;
}

/** The `traceparent` header for a context, or nothing when tracing is off. */
export function traceparentOf(context: Context): string | undefined {
  const headers: Record<string, string> = {};
  propagation.inject(context, headers);
  return headers['traceparent'];
}

/** Sends what is waiting. Settles in any case within `patience`, so that nobody waits for telemetry. */
export async function flush(patience = 1500): Promise<void> {
  const waited = new Promise<void>((resolve) => setTimeout(resolve, patience));
  await Promise.race([provider?.forceFlush().catch(() => undefined), waited]);
}

export const currentAction = (): LastAction | undefined => lastAction;

export function watchAction(watcher: () => void): () => void {
  watchers.add(watcher);
  return () => watchers.delete(watcher);
}

function show(action: LastAction): void {
  lastAction = action;
  for (const watcher of watchers) watcher();
}

/** Puts on every span who did it, in which visit, and in which version of the app. */
class WhoAndWhere implements SpanProcessor {
  readonly #version: string;

  constructor(version: string) {
    this.#version = version;
  }

  onStart(span: Span): void {
    span.setAttribute('app.version', this.#version);
    span.setAttribute('session.id', sessionId());
    const user = signedInUser();
    if (user) span.setAttribute('app.user_id', user.id);
  }

  onEnd(): void {}
  async forceFlush(): Promise<void> {}
  async shutdown(): Promise<void> {}
}
