// What lives at which path. Pure.

import { parseTraceId } from './shared/ids';

/** The views in the order of the navigation; `key` goes there after `g`. */
export const ROUTES = [
  { kind: 'home', path: '/', title: 'Home', key: 'h' },
  { kind: 'query', path: '/query', title: 'Query', key: 'q' },
  { kind: 'traces', path: '/traces', title: 'Traces', key: 't' },
  { kind: 'map', path: '/map', title: 'Map', key: 'm' },
  { kind: 'errors', path: '/errors', title: 'Errors', key: 'e' },
  { kind: 'logs', path: '/logs', title: 'Logs', key: 'l' },
  { kind: 'xray', path: '/xray', title: 'X-Ray', key: 'x' },
  { kind: 'set-up', path: '/set-up', title: 'Set-up', key: 's' },
] as const;

export type Kind = (typeof ROUTES)[number]['kind'];

/** `rest`: what follows the view's own path, such as the id of one of its things. */
export type Page =
  | { readonly kind: Kind; readonly rest: readonly string[] }
  | { readonly kind: 'trace'; readonly id: string }
  | { readonly kind: 'compare'; readonly left: string; readonly right: string }
  | { readonly kind: 'not-found' };

/** These have pages below their own. */
const DEEP: ReadonlySet<string> = new Set(['errors', 'logs', 'xray']);

export function match(path: string): Page {
  const [first = '', ...rest] = path.split('/').slice(1).filter(Boolean);
  if ((first === 'trace' || first === 'traces') && rest.length === 1) {
    const id = parseTraceId(rest[0] ?? '');
    return id === null ? { kind: 'not-found' } : { kind: 'trace', id };
  }
  if (first === 'compare') {
    const [left, right] = rest.map(parseTraceId);
    return rest.length === 2 && left && right ? { kind: 'compare', left, right } : { kind: 'not-found' };
  }
  const route = ROUTES.find((each) => each.path === `/${first}`);
  if (!route || (rest.length > 0 && !DEEP.has(route.kind))) return { kind: 'not-found' };
  return { kind: route.kind, rest: rest.map(decode) };
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
