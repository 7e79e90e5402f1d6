// The console's HTTP API as functions, and its live stream.

import type { BriefTrace, Span, Stats, Summary, TraceList, WholeTrace } from './shapes';

/** The console said no, and why. `status` is 0 when nobody answered. */
export class ApiError extends Error {
  override readonly name = 'ApiError';

  constructor(
    readonly status: number,
    readonly title: string,
    readonly detail: string,
  ) {
    super(title);
  }
}

/** What the list is narrowed to; the names are those of the API and of the page's address. */
export interface Filter {
  readonly service: string | null;
  readonly min_duration_ms: number | null;
  readonly error: boolean;
}

export function listTraces(filter: Filter, { limit, before, signal }: { limit: number; before?: string; signal?: AbortSignal }): Promise<TraceList> {
  const query = filterQuery(filter);
  query.set('limit', String(limit));
  if (before) query.set('before', before);
  return get(`/api/traces?${query}`, signal);
}

/** With its spans as columns; a console that has none of those (`--store`) answers with the whole trace. */
export function getBriefTrace(traceId: string, signal: AbortSignal): Promise<BriefTrace | WholeTrace> {
  return get(`/api/traces/${traceId}?brief=true`, signal);
}

export function getWholeTrace(traceId: string, signal: AbortSignal): Promise<WholeTrace> {
  return get(`/api/traces/${traceId}`, signal);
}

export function getSpan(traceId: string, spanId: string, signal: AbortSignal): Promise<Span> {
  return get(`/api/traces/${traceId}/spans/${spanId}`, signal);
}

export function getStats(signal?: AbortSignal): Promise<Stats> {
  return get('/api/stats', signal);
}

export interface Watching {
  /** Rows that are new or changed. */
  readonly onTraces: (traces: readonly Summary[]) => void;
  /** Ask for the whole. Called once connected, so that nothing falls between the answer and the news; and whenever something was missed. */
  readonly onReload: () => void;
  /** Whether news come as they happen; otherwise `onReload` is called every two seconds. */
  readonly onState?: (live: boolean) => void;
}

/** How often to ask when the stream is not to be had (the console serves 64 at most). */
const POLL_MS = 2_000;
/** How long to wait for the stream before asking without it. */
const PATIENCE_MS = 500;

/** Follows what is stored, until the returned function is called. A hidden tab lets go of its connection: a browser has six to one host. */
export function watchTraces(filter: Filter | { readonly trace_id: string }, { onTraces, onReload, onState }: Watching): () => void {
  const query = 'trace_id' in filter ? new URLSearchParams({ trace_id: filter.trace_id }) : filterQuery(filter);
  let source: EventSource | null = null;
  let asking: ReturnType<typeof setTimeout> | undefined;
  let hasAsked = false;
  const ask = () => {
    hasAsked = true;
    onReload();
  };

  const open = () => {
    const stream = new EventSource(`/api/traces/stream?${query}`);
    source = stream;
    stream.addEventListener('open', () => {
      clearTimeout(asking);
      onState?.(true);
      ask();
    });
    stream.addEventListener('traces', (event: MessageEvent<string>) => onTraces((JSON.parse(event.data) as TraceList).traces));
    stream.addEventListener('reload', ask);
    stream.addEventListener('error', () => {
      onState?.(false);
      askLater(hasAsked ? POLL_MS : 0);
    });
  };
  const askLater = (after: number) => {
    clearTimeout(asking);
    asking = setTimeout(() => {
      ask();
      // A refused stream stays closed; a broken one the browser opens again by itself.
      if (source?.readyState === EventSource.CLOSED) open();
      else askLater(POLL_MS);
    }, after);
  };
  const close = () => {
    clearTimeout(asking);
    source?.close();
    source = null;
  };
  const follow = () => {
    if (document.visibilityState === 'hidden') close();
    else if (source === null) {
      open();
      askLater(PATIENCE_MS);
    }
  };
  follow();
  document.addEventListener('visibilitychange', follow);
  return () => {
    document.removeEventListener('visibilitychange', follow);
    close();
  };
}

function filterQuery({ service, min_duration_ms, error }: Filter): URLSearchParams {
  const query = new URLSearchParams();
  if (service) query.set('service', service);
  if (min_duration_ms) query.set('min_duration_ms', String(min_duration_ms));
  if (error) query.set('error', 'true');
  return query;
}

async function get<T>(path: string, signal?: AbortSignal): Promise<T> {
  let response: Response;
  try {
    response = await fetch(path, { headers: { accept: 'application/json' }, ...(signal && { signal }) });
  } catch (error) {
    if (signal?.aborted) throw error;
    throw new ApiError(0, 'The console does not answer', 'It may have been stopped. This page asks again by itself.');
  }
  if (response.ok) return (await response.json()) as T;
  const problem = (await response.json().catch(() => ({}))) as { title?: string; detail?: string };
  throw new ApiError(response.status, problem.title ?? response.statusText, problem.detail ?? '');
}
