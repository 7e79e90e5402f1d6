// The address is the state: what a page shows can be sent to someone else.

import { useSyncExternalStore } from 'react';

import { parseTraceId } from './ids';

export type Page = { readonly kind: 'home' } | { readonly kind: 'set-up' } | { readonly kind: 'trace'; readonly id: string } | { readonly kind: 'not-found' };

/** What lives at a path. */
export function match(path: string): Page {
  if (path === '/') return { kind: 'home' };
  if (path === '/set-up') return { kind: 'set-up' };
  const [, text] = /^\/traces?\/([^/]+)\/?$/.exec(path) ?? [];
  const id = text === undefined ? null : parseTraceId(text);
  return id === null ? { kind: 'not-found' } : { kind: 'trace', id };
}

const watchers = new Set<() => void>();

/** The path and query that the page shows. */
export function useAddress(): string {
  return useSyncExternalStore(watch, () => location.pathname + location.search);
}

export function navigate(address: string, { replace = false } = {}): void {
  if (replace) history.replaceState(null, '', address);
  else history.pushState(null, '', address);
  for (const watcher of watchers) watcher();
}

/** Changes words of the query and keeps the others; null removes one. No new entry in the history. */
export function setQuery(changes: Readonly<Record<string, string | null>>): void {
  const query = new URLSearchParams(location.search);
  for (const [name, value] of Object.entries(changes)) {
    if (value === null || value === '') query.delete(name);
    else query.set(name, value);
  }
  const text = query.toString();
  navigate(text ? `${location.pathname}?${text}` : location.pathname, { replace: true });
}

function watch(watcher: () => void): () => void {
  watchers.add(watcher);
  addEventListener('popstate', watcher);
  return () => {
    watchers.delete(watcher);
    removeEventListener('popstate', watcher);
  };
}
