// The queries that were run in this browser, the newest first.

import { describe } from './spec';
import type { Spec } from './spec';
import { printFilter } from './text';

export interface Visit {
  readonly address: string;
  readonly words: string;
  /** Milliseconds since 1970. */
  readonly at: number;
}

const KEY = 'throughline.queries';
const MOST = 50;

export function readHistory(): readonly Visit[] {
  try {
    const visits: unknown = JSON.parse(localStorage.getItem(KEY) ?? '[]');
    return Array.isArray(visits) ? (visits as Visit[]).filter(({ address, words, at }) => typeof address === 'string' && typeof words === 'string' && typeof at === 'number') : [];
  } catch {
    return [];
  }
}

export function remember(spec: Spec, dataset: string | null, address: string): void {
  const words = `${describe(spec, { filter: printFilter })}${dataset ? ` in ${dataset}` : ''}`;
  const visits = addVisit(readHistory(), { address, words, at: Date.now() });
  try {
    localStorage.setItem(KEY, JSON.stringify(visits));
  } catch {
    // A browser that keeps nothing still shows everything else.
  }
}

/** One entry for each query: the same words with other times are the same query. */
export function addVisit(visits: readonly Visit[], visit: Visit): readonly Visit[] {
  return [visit, ...visits.filter(({ words }) => words !== visit.words)].slice(0, MOST);
}
