// What a span says of itself, in a few words. Pure.

import { plural } from '../shared/format';
import type { Span, Value } from '../shared/shapes';
import { isPlan, planDetail } from './plan';

/** Databases by OpenTelemetry's `db.system.name`, as they call themselves. */
const DATABASES: Readonly<Record<string, string>> = {
  postgresql: 'PostgreSQL',
  mysql: 'MySQL',
  mariadb: 'MariaDB',
  sqlite: 'SQLite',
  redis: 'Redis',
  mongodb: 'MongoDB',
  'aws.dynamodb': 'DynamoDB',
};

/**
 * The database that a span calls. It sends no spans of its own, so that this call is all one sees of it;
 * it is shown as the last station of the trace.
 */
export function database(span: Span): string | null {
  const system = text(span.attributes['db.system.name'] ?? span.attributes['db.system']);
  if (system === null) return null;
  return DATABASES[system] ?? system;
}

/** Who the bar of a span belongs to: its service, or the database that the service waits for, which is also where a plan's nodes ran. */
export function station(span: Span): string {
  if (isPlan(span)) return database(span) ?? 'PostgreSQL';
  return (span.kind === 'client' ? database(span) : null) ?? span.service;
}

/** What stands behind the name in its row: nothing that the name says already. */
export function detail(span: Span): string {
  if (isPlan(span)) return planDetail(span);
  const { attributes } = span;
  const parts: string[] = [];
  const db = database(span);
  if (db !== null) {
    const what = text(attributes['db.query.summary']) ?? [text(attributes['db.operation.name']), text(attributes['db.collection.name'])].filter(Boolean).join(' ');
    if (what && what !== span.name) parts.push(what);
    const returned = attributes['db.response.returned_rows'];
    const changed = attributes['throughline.db.affected_rows'];
    // BEGIN and COMMIT have none, and nobody asks.
    if (typeof returned === 'number' && 'db.collection.name' in attributes) parts.push(plural(returned, 'row'));
    else if (typeof changed === 'number') parts.push(`${plural(changed, 'row')} changed`);
  }
  const target = text(attributes['url.path']) ?? pathOf(text(attributes['url.full']));
  if (target !== null && !span.name.includes(target)) parts.push(target);
  return parts.join(' · ');
}

/** The HTTP status, when there is one. */
export function httpStatus(span: Span): number | null {
  const status = span.attributes['http.response.status_code'] ?? span.attributes['http.status_code'];
  return typeof status === 'number' ? status : null;
}

/** Why a span failed, in one line; empty when it does not say, null when it did not fail. */
export function failure(span: Span): string | null {
  if (span.status !== 'error') return null;
  const exception = span.events.find((event) => event.name === 'exception');
  return (
    span.status_message ||
    text(exception?.attributes['exception.message']) ||
    text(exception?.attributes['exception.type']) ||
    text(span.attributes['error.type']) ||
    ''
  );
}

/** An attribute's value as text. */
export function valueText(value: Value): string {
  return typeof value === 'string' ? value : JSON.stringify(value);
}

/** An address to follow: http and https only, since attributes come from strangers and `javascript:` is an address too. */
export function webAddress(value: Value): string | null {
  if (typeof value !== 'string' || !/^https?:\/\/\S+$/i.test(value)) return null;
  return URL.canParse(value) ? value : null;
}

/** Attributes in groups by the first word of their keys; `app` first, as it is what the authors of the system said themselves. */
export function groups(attributes: Readonly<Record<string, Value>>): { name: string; entries: [string, Value][] }[] {
  const byName = new Map<string, [string, Value][]>();
  for (const entry of Object.entries(attributes).sort(([a], [b]) => (a < b ? -1 : 1))) {
    const dot = entry[0].indexOf('.');
    const name = dot > 0 ? entry[0].slice(0, dot) : '';
    const group = byName.get(name);
    if (group) group.push(entry);
    else byName.set(name, [entry]);
  }
  const rank = (name: string) => (name === 'app' ? 0 : name === '' ? 2 : 1);
  return [...byName].map(([name, entries]) => ({ name, entries })).sort((a, b) => rank(a.name) - rank(b.name) || (a.name < b.name ? -1 : 1));
}

function pathOf(address: string | null): string | null {
  return address !== null && URL.canParse(address) ? new URL(address).pathname : null;
}

function text(value: Value | undefined): string | null {
  return typeof value === 'string' && value !== '' ? value : null;
}
