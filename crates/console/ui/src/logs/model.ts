// Log events as the console's API gives them, and what can be said of them. Pure.

import type { Value } from '../shared/shapes';

export interface LogEvent {
  readonly id: string;
  readonly time_unix_nano: number;
  readonly group: string;
  readonly stream: string;
  readonly level: string | null;
  readonly service: string | null;
  readonly message: string;
  readonly trace_id: string | null;
  readonly span_id: string | null;
  /** Of a message that is a JSON object. */
  readonly fields: Readonly<Record<string, Value>> | null;
}

export interface LogPage {
  readonly events: readonly LogEvent[];
  readonly next: string | null;
}

export interface LogGroup {
  readonly name: string;
  readonly streams: readonly string[];
  readonly retention_days: number | null;
  readonly events: number;
  readonly bytes: number;
}

/** What the list is narrowed to; the names are those of the API and of the page's address. */
export const FILTERS = ['q', 'group', 'stream', 'level', 'trace_id', 'span_id', 'start', 'end'] as const;
export type Filters = Readonly<Partial<Record<(typeof FILTERS)[number], string>>>;

export function readFilters(query: URLSearchParams): Filters {
  return Object.fromEntries(FILTERS.flatMap((name) => (query.get(name) ? [[name, query.get(name) ?? '']] : [])));
}

export type Severity = 'error' | 'warn' | 'info' | 'debug';

export const LEVELS = ['error', 'warn', 'info', 'debug'] as const;

/** How loud a level is; levels go by many names. */
export function severity(level: string | null): Severity {
  switch (level?.toLowerCase()) {
    case 'critical':
    case 'fatal':
    case 'emergency':
    case 'alert':
    case 'error':
    case 'err':
      return 'error';
    case 'warning':
    case 'warn':
      return 'warn';
    case 'debug':
    case 'trace':
    case 'verbose':
      return 'debug';
    default:
      return 'info';
  }
}

/** What a line says, in one line: of a JSON object its message, and else the text. */
export function said({ message, fields }: LogEvent): string {
  for (const key of ['message', 'msg', 'event', 'body']) {
    const value = fields?.[key];
    if (typeof value === 'string' && value !== '') return value;
    // tracing-subscriber's JSON has the message within `fields`.
    const inner = fields?.['fields'];
    if (typeof inner === 'object' && inner !== null && !Array.isArray(inner)) {
      const within = (inner as Readonly<Record<string, Value>>)[key];
      if (typeof within === 'string' && within !== '') return within;
    }
  }
  return message.replaceAll(/\s+/g, ' ').trim();
}

/** Fields that the line tells elsewhere already. */
const TOLD: ReadonlySet<string> = new Set(['message', 'msg', 'level', 'timestamp', 'time', 'trace_id', 'span_id', 'xray_trace_id', 'service']);

/** Fields worth a glance behind the message, the longest last. */
export function extras(fields: LogEvent['fields']): [string, string][] {
  if (fields === null) return [];
  return Object.entries(fields)
    .filter(([key, value]) => !TOLD.has(key) && value !== null && typeof value !== 'object')
    .map(([key, value]): [string, string] => [key, String(value)]);
}

/** Splits a text at every place where one of the words stands, for marking them; case does not matter. */
export function marked(text: string, words: readonly string[]): { readonly text: string; readonly isHit: boolean }[] {
  const wanted = words.filter(Boolean).map((word) => word.replaceAll(/[.*+?^${}()|[\]\\]/g, '\\$&'));
  if (wanted.length === 0) return [{ text, isHit: false }];
  return text
    .split(new RegExp(`(${wanted.join('|')})`, 'gi'))
    .map((part, at) => ({ text: part, isHit: at % 2 === 1 }))
    .filter((part) => part.text !== '');
}

/** The words of a search, quoted ones whole. */
export function wordsOf(q: string): string[] {
  return (q.match(/"[^"]*"?|\S+/g) ?? []).map((word) => word.replaceAll('"', '')).filter((word) => word !== '' && !/^(AND|OR|NOT)$/.test(word));
}

/** A tail keeps this many lines; the older ones are in the list. */
export const MOST_LINES = 2_000;

/** New lines before the known ones, each once, newest first. */
export function merge(known: readonly LogEvent[], more: readonly LogEvent[], most = MOST_LINES): LogEvent[] {
  const ids = new Set(known.map(({ id }) => id));
  const fresh = more.filter(({ id }) => !ids.has(id) && ids.add(id));
  if (fresh.length === 0) return known as LogEvent[];
  return [...fresh, ...known].sort((a, b) => b.time_unix_nano - a.time_unix_nano).slice(0, most);
}
