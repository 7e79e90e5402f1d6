// The console's query API: ../../../README.md says what each answers.

import { getJson, postJson, putJson } from '../shared/ask';
import type { Heatmap } from './chart';
import type { Box, Scale, Spec, Value } from './spec';
import type { Column } from './text';

export interface Row {
  readonly group: Readonly<Record<string, Value | null>>;
  /** By the key of the calculation; of a heatmap, how many in each of its bins. */
  readonly values: Readonly<Record<string, number | null | readonly number[]>>;
  /** Trace ids. */
  readonly exemplars: readonly string[];
  /** A value for each of the answer's `times`. */
  readonly series: Readonly<Record<string, readonly (number | null)[]>>;
}

export interface Answer {
  readonly query: Spec;
  /** Seconds since 1970. */
  readonly start: number;
  readonly end: number;
  /** Seconds. */
  readonly granularity: number;
  readonly rows: readonly Row[];
  readonly times: readonly number[];
  readonly totals: Totals;
  /** Of the groups that are not shown; null when all are. */
  readonly other: Totals | null;
  readonly heatmaps: readonly Heatmap[];
  /** Groups that there are. */
  readonly groups: number;
  /** Spans looked at, and those that pass. */
  readonly scanned: number;
  readonly matched: number;
  readonly elapsed_ms: number;
  readonly truncated: boolean;
  /** The same, so much earlier as the query says. */
  readonly compare?: Answer;
  /** Stored spans that could not be looked at: still being read after a start, or more than there is memory for. */
  readonly behind?: number;
}

export type Totals = Pick<Row, 'values' | 'series'>;

export interface Difference {
  readonly column: string;
  /** 0 to 1: the largest difference between the two shares of one value. */
  readonly score: number;
  readonly values: readonly Share[];
}

/** Shares of the spans inside and outside of the box, 0 to 1. */
export interface Share {
  /** Null: a span without this column. Of many numbers the lower end of a range, and `below` its upper one. */
  readonly value: Value | null;
  readonly below?: number;
  readonly inside: number;
  readonly outside: number;
}

export interface Comparison {
  readonly inside: number;
  readonly outside: number;
  readonly columns: readonly Difference[];
}

export interface Saved {
  readonly name: string;
  readonly title: string;
  readonly description: string;
  readonly query: Spec;
  readonly dataset?: string | null;
  readonly file: string | null;
}

export function runQuery(spec: Spec, dataset: string | null, signal: AbortSignal, scale: Scale | null = null): Promise<Answer> {
  return postJson('/api/query', { ...spec, ...(dataset && { dataset }), ...(scale && { heatmap_scale: scale }) }, signal);
}

export function compare(spec: Spec, dataset: string | null, box: Box, signal: AbortSignal): Promise<Comparison> {
  return postJson('/api/query/compare', { ...(dataset && { dataset }), query: spec, box }, signal);
}

export async function listColumns(dataset: string | null, signal: AbortSignal): Promise<readonly Column[]> {
  return (await getJson<{ columns: readonly Column[] }>(`/api/columns?${new URLSearchParams({ ...(dataset && { dataset }) })}`, signal)).columns;
}

export async function listValues(column: string, prefix: string, dataset: string | null, signal: AbortSignal): Promise<readonly { value: Value; count: number }[]> {
  const query = new URLSearchParams({ column, prefix, limit: '20', ...(dataset && { dataset }) });
  return (await getJson<{ values: readonly { value: Value; count: number }[] }>(`/api/columns/values?${query}`, signal)).values;
}

export interface ServiceNode {
  readonly service: string;
  readonly kind: string;
  readonly requests: number;
  readonly errors: number;
  readonly p50_ms: number | null;
  readonly p95_ms: number | null;
}

export interface ServiceEdge {
  readonly from: string;
  readonly to: string;
  readonly requests: number;
  readonly errors: number;
  readonly p95_ms: number | null;
}

export interface Services {
  readonly nodes: readonly ServiceNode[];
  readonly edges: readonly ServiceEdge[];
}

/** Of the system that is looked at, so without `throughline doctor`, which sends a span now and then to see whether it arrives. Seconds since 1970. */
export async function getServiceMap(start: number, end: number, signal: AbortSignal): Promise<Services> {
  const { nodes, edges } = await getJson<Services>(`/api/service-map?${new URLSearchParams({ start: String(start), end: String(end) })}`, signal);
  return { nodes: nodes.filter(({ service }) => service !== 'throughline-doctor'), edges };
}

export async function listDatasets(signal: AbortSignal): Promise<readonly string[]> {
  const { datasets } = await getJson<{ datasets: readonly (string | { readonly name: string })[] }>('/api/datasets', signal);
  return datasets.map((each) => (typeof each === 'string' ? each : each.name));
}

/** `invalid`: files that are no query, and why. */
export function listSaved(signal: AbortSignal): Promise<{ readonly queries: readonly Saved[]; readonly invalid?: readonly string[] }> {
  return getJson('/api/queries', signal);
}

export function save(name: string, query: Pick<Saved, 'title' | 'description' | 'query'> & { readonly dataset: string | null }): Promise<unknown> {
  return putJson(`/api/queries/${encodeURIComponent(name)}`, query);
}
