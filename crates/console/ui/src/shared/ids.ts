// Trace ids, in both spellings.

/** The 32 lower-case hex digits of an id in W3C's spelling or in X-Ray's `1-<8 hex>-<24 hex>`; null when it is neither. */
export function parseTraceId(text: string): string | null {
  const match = /^(?:1-([0-9a-f]{8})-([0-9a-f]{24})|([0-9a-f]{32}))$/i.exec(text.trim());
  if (!match) return null;
  return (match[3] ?? `${match[1]}${match[2]}`).toLowerCase();
}

export function xrayTraceId(traceId: string): string {
  return `1-${traceId.slice(0, 8)}-${traceId.slice(8)}`;
}

/** Finds the trace id in what people paste: either spelling, a `traceparent`, an `X-Amzn-Trace-Id`, a URL. */
export function findTraceId(text: string): string | null {
  const match = /1-[0-9a-f]{8}-[0-9a-f]{24}(?![0-9a-f])|(?<![0-9a-f])[0-9a-f]{32}(?![0-9a-f])/i.exec(text);
  return match ? parseTraceId(match[0]) : null;
}
