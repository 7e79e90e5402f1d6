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
    case 'service': {
      const isWanted = once((text) => text.toLowerCase() === wanted);
      return (span) => isWanted(span.service) || isWanted(database(span) ?? '');
    }
    case 'kind':
      return (span) => span.kind === wanted;
    case 'status':
      return (span) => span.status === wanted;
    case 'name': {
      const isWanted = once((text) => text.toLowerCase().includes(wanted ?? ''));
      return (span) => isWanted(span.name);
    }
  }
  const contains = containing(word);
  const [, key, value] = /^([a-z][\w.-]*)=(.+)$/.exec(word) ?? [];
  if (key !== undefined && value !== undefined) {
    return (span, said) => {
      const has = Object.entries(span.attributes).some(([name, found]) => name.toLowerCase() === key && valueText(found).toLowerCase().includes(value));
      return has || contains(span, said);
    };
  }
  return contains;
}

function containing(word: string): Test {
  const has = (text: string | null) => text !== null && text !== '' && text.toLowerCase().includes(word);
  const isKnown = once(has);
  const inside = (attributes: Span['attributes']) => {
    for (const key in attributes) if (has(key) || has(valueText(attributes[key] ?? null))) return true;
    return false;
  };
  return (span, said) =>
    isKnown(span.name) ||
    isKnown(span.service) ||
    // Ids are lower case.
    span.span_id.includes(word) ||
    has(span.status_message) ||
    has(said) ||
    inside(span.attributes) ||
    span.events.some((event) => has(event.name) || inside(event.attributes));
}

/** Names and services are few, and the same for very many spans. */
function once(test: (text: string) => boolean): (text: string) => boolean {
  const known = new Map<string, boolean>();
  return (text) => {
    let answer = known.get(text);
    if (answer === undefined) known.set(text, (answer = test(text)));
    return answer;
  };
}
