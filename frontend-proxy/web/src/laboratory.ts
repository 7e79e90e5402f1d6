// Faults of the database that the home feed can have on request, to see what they look like in a trace
// (docs/laboratory.md). The server says whether there is a laboratory: not in production.

import { meta } from './page';

/** By the names that the activities service knows, with what people read. */
export const FAULTS = {
  'missing-index': 'A missing index',
  'n-plus-one': 'One query for each post',
  'lock-wait': 'A lock that another holds',
  deadlock: 'A deadlock',
  'pool-of-one': 'A pool of one connection',
  'slow-commit': 'A slow commit',
  'stale-statistics': 'Stale statistics',
} as const;

export type Fault = keyof typeof FAULTS;

let chosen: Fault | null = null;
const watchers = new Set<() => void>();

export function isLaboratoryOpen(): boolean {
  return meta('laboratory') === 'open';
}

/** What the next requests ask for; it ends with the page. */
export function chosenFault(): Fault | null {
  return chosen;
}

export function chooseFault(fault: Fault | null): void {
  chosen = fault;
  for (const watcher of watchers) watcher();
}

export function watchFault(watcher: () => void): () => void {
  watchers.add(watcher);
  return () => watchers.delete(watcher);
}
