// Spans for tests, written as `name [of parent] start end[!]` and separated by `;`. A `!` marks a failure.

import type { Span } from '../src/shared/shapes';
import { columnsOf } from '../src/trace/columns';
import { Forest } from '../src/trace/tree';

export function span(id: string, parent: string | null, start: number, end: number, more: Partial<Span> = {}): Span {
  return {
    trace_id: '68b329da9893e34099c7d8ad5cb9c940',
    span_id: id,
    parent_span_id: parent,
    name: id,
    kind: 'internal',
    service: 'gateway',
    start_unix_nano: start,
    duration_nano: end - start,
    status: 'unset',
    status_message: null,
    attributes: {},
    resource: {},
    scope: null,
    events: [],
    links: [],
    source: 'otlp',
    ...more,
  };
}

export function spans(text: string): Span[] {
  return text.split(';').map((each) => {
    const [, id, parent, start, end, failed] = /^(\S+)(?: of (\S+))? (\d+) (\d+)(!)?$/.exec(each.trim()) ?? [];
    if (id === undefined) throw new Error(`not a span: ${each}`);
    return span(id, parent ?? null, Number(start), Number(end), failed ? { status: 'error' } : {});
  });
}

export function forestOf(given: readonly Span[]): Forest {
  return new Forest(columnsOf(given));
}
