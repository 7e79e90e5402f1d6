// The address is the state: what a page shows can be sent to someone else.

import { useSyncExternalStore } from 'react';

/** What the page shows. The browser's own address follows a moment later: it refuses more than some 200 changes in ten seconds, and a held-down key makes that many. */
let current = '';
let behind: ReturnType<typeof setTimeout> | undefined;
const FOLLOW_MS = 150;
const watchers = new Set<() => void>();

/** The path and query that the page shows. */
export function useAddress(): string {
  return useSyncExternalStore(watch, () => current);
}

export function navigate(address: string, { replace = false } = {}): void {
  if (address === current) return;
  if (replace) {
    behind ??= setTimeout(writeAddress, FOLLOW_MS);
  } else {
    writeAddress();
    history.pushState(null, '', address);
  }
  show(address);
}

/** Changes words of the query and keeps the others; null removes one. No new entry in the history. */
export function setQuery(changes: Readonly<Record<string, string | null>>): void {
  const url = new URL(current, location.origin);
  for (const [name, value] of Object.entries(changes)) {
    if (value === null || value === '') url.searchParams.delete(name);
    else url.searchParams.set(name, value);
  }
  navigate(url.pathname + url.search, { replace: true });
}

/** Starts with the address that the browser shows. */
export function openAddress(): void {
  current = location.pathname + location.search;
  addEventListener('popstate', () => {
    clearTimeout(behind);
    behind = undefined;
    show(location.pathname + location.search);
  });
  addEventListener('pagehide', writeAddress);
}

function writeAddress(): void {
  if (behind === undefined) return;
  clearTimeout(behind);
  behind = undefined;
  history.replaceState(null, '', current);
}

function show(address: string): void {
  current = address;
  for (const watcher of watchers) watcher();
}

function watch(watcher: () => void): () => void {
  watchers.add(watcher);
  return () => watchers.delete(watcher);
}
