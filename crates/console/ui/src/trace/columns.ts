// The spans of a trace as columns, in order of start. Pure.
//
// 100,000 objects take a browser half a second to read, link and walk; columns of numbers take a tenth of it. An
// object is made of a span when one looks at it.

import type { Attributes, BriefTrace, Kind, Span } from '../shared/shapes';
import { station } from './describe';
import { IdTable, wordsOf } from './idTable';

export interface Columns {
  readonly size: number;
  /** Nanoseconds since 1970. */
  readonly starts: Float64Array;
  /** In nanoseconds. */
  readonly durations: Float64Array;
  /** 1 where a span failed. */
  readonly failed: Uint8Array;
  /** Equal for spans of one name, service and kind. */
  readonly likeness: Float64Array;
  /** The place of the parent; `NOBODY` where a span has none, `ABSENT` where it has not arrived. */
  readonly parents: Int32Array;
  /** 1 for a span whose id was there before. */
  readonly again: Uint8Array;
  readonly idOf: (at: number) => string;
  /** Of the first span of this id; `NOBODY` when there is none. */
  readonly placeOf: (id: string) => number;
  readonly spanOf: (at: number) => Span;
  /** Who the bar of the span belongs to (`describe.ts`). */
  readonly stationOf: (at: number) => string;
}

export const NOBODY = -1;
export const ABSENT = -2;

/** Whole spans, in any order. */
export function columnsOf(given: readonly Span[]): Columns {
  const spans = inOrder(given);
  const names = new Places();
  const services = new Places();
  const columns = empty(spans.length);
  const places = new Map<string, number>();
  spans.forEach(({ span_id }, at) => {
    if (places.has(span_id)) columns.again[at] = 1;
    else places.set(span_id, at);
  });
  spans.forEach((span, at) => {
    columns.parents[at] = span.parent_span_id === null ? NOBODY : (places.get(span.parent_span_id) ?? ABSENT);
    columns.starts[at] = span.start_unix_nano;
    columns.durations[at] = span.duration_nano;
    columns.failed[at] = span.status === 'error' ? 1 : 0;
    columns.likeness[at] = likeness(names.of(span.name), services.of(span.service), KINDS.indexOf(span.kind));
  });
  return {
    ...columns,
    idOf: (at) => spans[at]!.span_id,
    placeOf: (id) => places.get(id) ?? NOBODY,
    spanOf: (at) => spans[at]!,
    stationOf: (at) => station(spans[at]!),
  };
}

/** Spans as the console gives those of a very large trace, without their attributes. */
export function columnsOfBrief({ trace_id, start_unix_nano, columns: parts }: BriefTrace): Columns {
  const size = parts.reduce((sum, { start }) => sum + start.length, 0);
  const names = new Places();
  const services = new Places();
  const columns = empty(size);
  const nameAt = new Int32Array(size);
  const serviceAt = new Int32Array(size);
  const kindAt = new Uint8Array(size);
  const messages = new Map<number, string>();
  let first = 0;
  for (const part of parts) {
    const nameOf = part.names.map((name) => names.of(name));
    const serviceOf = part.services.map((service) => services.of(service));
    for (let i = 0; i < part.start.length; i += 1) {
      const at = first + i;
      const name = (nameAt[at] = nameOf[part.name[i]!]!);
      const service = (serviceAt[at] = serviceOf[part.service[i]!]!);
      const kind = (kindAt[at] = part.kind[i]!);
      columns.starts[at] = start_unix_nano + part.start[i]!;
      columns.durations[at] = part.duration[i]!;
      columns.failed[at] = part.status[i] === FAILED ? 1 : 0;
      columns.likeness[at] = likeness(name, service, kind);
    }
    for (const [i, message] of Object.entries(part.status_message)) messages.set(first + Number(i), message);
    first += part.start.length;
  }
  const ids = parts.map(({ span_id }) => span_id).join('');
  const parents = parts.map(({ parent_span_id }) => parent_span_id).join('');
  const table = new IdTable(wordsOf(ids));
  const parentWords = wordsOf(parents);
  for (let at = 0; at < size; at += 1) {
    const high = parentWords[2 * at]!;
    const low = parentWords[2 * at + 1]!;
    const place = table.placeOf(high, low);
    columns.parents[at] = high === 0 && low === 0 ? NOBODY : place === NOBODY ? ABSENT : place;
  }
  const idOf = (at: number) => ids.slice(ID * at, ID * at + ID);
  const placeOf = (id: string) => {
    const [high, low] = /^[0-9a-f]{16}$/.test(id) ? wordsOf(id) : [];
    return high === undefined || low === undefined ? NOBODY : table.placeOf(high, low);
  };
  const made: Span[] = [];
  const spanOf = (at: number) =>
    (made[at] ??= {
      trace_id,
      span_id: idOf(at),
      parent_span_id: columns.parents[at] === NOBODY ? null : parents.slice(ID * at, ID * at + ID),
      name: names.texts[nameAt[at]!]!,
      kind: KINDS[kindAt[at]!] ?? 'internal',
      service: services.texts[serviceAt[at]!]!,
      start_unix_nano: columns.starts[at]!,
      duration_nano: columns.durations[at]!,
      status: columns.failed[at] === 1 ? 'error' : 'unset',
      status_message: messages.get(at) ?? null,
      attributes: NONE,
      resource: NONE,
      scope: null,
      events: NOTHING,
      links: NOTHING,
      source: '',
    });
  // What tells a database is an attribute.
  const stationOf = (at: number) => services.texts[serviceAt[at]!]!;
  return { ...columns, again: table.again, idOf, placeOf, spanOf, stationOf };
}

/** By OTLP's number. */
const KINDS: readonly (Kind | undefined)[] = [undefined, 'internal', 'server', 'client', 'producer', 'consumer'];
/** OTLP's number of a status. */
const FAILED = 2;
/** Digits of an id. */
const ID = 16;

const NONE: Attributes = {};
const NOTHING: readonly never[] = [];

/** Texts by number. */
class Places {
  readonly texts: string[] = [];
  readonly #places = new Map<string, number>();

  of(text: string): number {
    let place = this.#places.get(text);
    if (place === undefined) {
      place = this.texts.push(text) - 1;
      this.#places.set(text, place);
    }
    return place;
  }
}

function empty(size: number) {
  return {
    size,
    starts: new Float64Array(size),
    durations: new Float64Array(size),
    failed: new Uint8Array(size),
    likeness: new Float64Array(size),
    parents: new Int32Array(size),
    again: new Uint8Array(size),
  };
}

/** One number for three: exact below 2^53, with a trace of 250,000 spans at most. */
function likeness(name: number, service: number, kind: number): number {
  return (name * MOST_SERVICES + service) * KINDS.length + kind;
}

const MOST_SERVICES = 1_000_000;

function inOrder(spans: readonly Span[]): readonly Span[] {
  const isSorted = spans.every((span, at) => at === 0 || spans[at - 1]!.start_unix_nano <= span.start_unix_nano);
  return isSorted ? spans : [...spans].sort((a, b) => a.start_unix_nano - b.start_unix_nano);
}
