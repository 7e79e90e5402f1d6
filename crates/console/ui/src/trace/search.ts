// Search in one trace. Pure.

import type { Span } from '../shared/shapes';
import type { Node } from './tree';
import { database, valueText } from './describe';

/**
 * The spans that hold every word of `query` in their name, service, ids, attributes, events or status, or in what they logged (`said`).
 * `service:name`, `kind:client`, `status:error` and `key=value` look at that place alone.
 */
export function search(nodes: readonly Node[], query: string, said: (spanId: string) => string = () => ''): string[] {
  const tests = parse(query);
  if (tests.length === 0) return [];
  return nodes.filter(({ id, span }) => tests.every((matches) => matches(span, said(id)))).map(({ id }) => id);
}

type Test = (span: Span, said: string) => boolean;

function parse(query: string): Test[] {
  return (query.match(/(?:[^\s"]|"[^"]*"?)+/g) ?? []).map((word) => testOf(word.replaceAll('"', '').toLowerCase())).filter((test) => test !== null);
}

function testOf(word: string): Test | null {
  if (word === '') return null;
  const [, field, wanted] = /^(service|kind|status|name):(.+)$/.exec(word) ?? [];
  switch (field) {
    case 'service':
      return (span) => span.service.toLowerCase() === wanted || database(span)?.toLowerCase() === wanted;
    case 'kind':
      return (span) => span.kind === wanted;
    case 'status':
      return (span) => span.status === wanted;
    case 'name':
      return (span) => span.name.toLowerCase().includes(wanted ?? '');
  }
  const [, key, value] = /^([a-z][\w.-]*)=(.+)$/.exec(word) ?? [];
  if (key !== undefined && value !== undefined) {
    return (span, said) => {
      const has = Object.entries(span.attributes).some(([name, found]) => name.toLowerCase() === key && valueText(found).toLowerCase().includes(value));
      return has || contains(span, word, said);
    };
  }
  return (span, said) => contains(span, word, said);
}

function contains(span: Span, word: string, said: string): boolean {
  const has = (text: string | null | undefined) => text?.toLowerCase().includes(word) ?? false;
  const inside = (attributes: Span['attributes']) => {
    for (const key in attributes) if (has(key) || has(valueText(attributes[key] ?? null))) return true;
    return false;
  };
  return (
    has(span.name) ||
    has(span.service) ||
    has(span.span_id) ||
    has(span.status_message) ||
    has(said) ||
    inside(span.attributes) ||
    span.events.some((event) => has(event.name) || inside(event.attributes))
  );
}
