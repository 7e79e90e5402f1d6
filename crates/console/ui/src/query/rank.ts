// What of a comparison is shown, and in which order. Pure.

import type { Difference, Row } from './calls';

/** Values shown of a column. */
const MOST_VALUES = 5;

/** Less is chance. */
const LEAST = 0.005;

/** The clearest first; a column that differs by nothing says nothing. */
export function rank(columns: readonly Difference[]): readonly Difference[] {
  return columns.filter(({ score }) => score >= LEAST).sort((a, b) => b.score - a.score);
}

/** The values that differ most; those more frequent inside come first. */
export function telling({ values }: Difference): Difference['values'] {
  return [...values]
    .sort((a, b) => Math.abs(b.inside - b.outside) - Math.abs(a.inside - a.outside))
    .slice(0, MOST_VALUES)
    .sort((a, b) => b.inside - b.outside - (a.inside - a.outside));
}

export function percent(share: number): string {
  if (share > 0 && share < 0.01) return '<1 %';
  if (share < 1 && share > 0.99) return '>99 %';
  return `${Math.round(100 * share)} %`;
}

/** Of each trace its first row. */
export function onceEach(rows: readonly Row[]): readonly Row[] {
  const seen = new Set<unknown>();
  return rows.filter(({ group }) => !seen.has(group['trace.trace_id']) && seen.add(group['trace.trace_id']));
}
