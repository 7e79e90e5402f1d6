// What Postgres did for a query, from the plan's spans below it. Pure. Keys: crates/pg-plan/src/keys.rs.

import { count, duration, plural } from '../shared/format';
import type { Attributes, Span } from '../shared/shapes';
import { ownTime } from './path';
import type { Node } from './tree';

const PLAN = 'postgresql.plan.';
const MARKS = ['postgresql.plan.node_type', 'postgresql.plan.self_time_ms', 'postgresql.phase', 'postgresql.trigger', 'postgresql.lock.object'] as const;

/** A span that the console's services made of what the server said: a node of a plan, a phase, a trigger, a wait for a lock. */
export function isPlan({ attributes }: Span): boolean {
  return MARKS.some((key) => key in attributes);
}

/** More than this many times too many or too few rows, and the planner may have chosen otherwise. */
export const MISESTIMATED = 10;

export interface Facts {
  readonly estimated: number | null;
  readonly actual: number | null;
  /** How many times too many or too few rows were expected; null where the plan stopped early on purpose. */
  readonly misestimate: number | null;
  readonly loops: number;
  readonly neverExecuted: boolean;
  readonly removed: number;
  readonly hit: number;
  readonly read: number;
  readonly written: number;
  /** Pages of temporary files: what did not fit into `work_mem`. */
  readonly temp: number;
}

export function facts({ attributes }: Span): Facts {
  const number = (key: string) => numberOf(attributes, PLAN + key);
  return {
    estimated: number('rows.estimated'),
    actual: number('rows.actual'),
    misestimate: number('rows.misestimate'),
    loops: number('loops') ?? 1,
    neverExecuted: attributes[`${PLAN}never_executed`] === true,
    removed: (number('rows.removed_by_filter') ?? 0) + (number('rows.removed_by_join_filter') ?? 0),
    hit: number('buffers.shared_hit') ?? 0,
    read: number('buffers.shared_read') ?? 0,
    written: (number('buffers.shared_written') ?? 0) + (number('buffers.shared_dirtied') ?? 0),
    temp: (number('buffers.temp_read') ?? 0) + (number('buffers.temp_written') ?? 0),
  };
}

export function isMisestimated({ misestimate }: Facts): boolean {
  return misestimate !== null && misestimate > MISESTIMATED;
}

/** `21 rows of 187 expected · × 4 · 12 pages read`: what stands behind the name of a node. */
export function planDetail(span: Span): string {
  const { estimated, actual, loops, neverExecuted, removed, read, temp } = facts(span);
  if (neverExecuted) return 'never executed';
  const parts: string[] = [];
  if (actual !== null) parts.push(estimated === null ? `${rows(actual)} rows` : `${rows(actual)} rows of ${rows(estimated)} expected`);
  if (loops > 1) parts.push(`× ${count(loops)}`);
  if (removed > 0) parts.push(`${count(removed)} filtered out`);
  if (read > 0) parts.push(`${plural(read, 'page')} read`);
  if (temp > 0) parts.push(`${plural(temp, 'page')} of temporary files`);
  const mode = span.attributes['postgresql.lock.mode'];
  if (typeof mode === 'string') parts.push(mode);
  return parts.join(' · ');
}

/** `12×`, and which way. */
export function misestimateText({ estimated, actual, misestimate }: Facts): string {
  const times = misestimate === null ? '' : `${misestimate >= 10 ? count(Math.round(misestimate)) : misestimate.toFixed(1)}×`;
  return `${times} ${(estimated ?? 0) > (actual ?? 0) ? 'too many' : 'too few'}`;
}

export interface PlanLine {
  readonly node: Node;
  readonly depth: number;
  /** Nanoseconds without those of the nodes below. */
  readonly own: number;
  /** Of the plan's time. */
  readonly share: number;
  readonly facts: Facts;
}

export interface Plan {
  readonly query: Node;
  readonly lines: readonly PlanLine[];
}

/** The plan of a query as a tree with own times, from the query's span or any node below it; empty when it has none. */
export function planOf(from: Node): Plan {
  let query = from;
  while (isPlan(query.span) && query.parent) query = query.parent;
  const found: Omit<PlanLine, 'share'>[] = [];
  const stack = [...query.children].reverse().map((node) => ({ node, depth: 0 }));
  for (let next = stack.pop(); next; next = stack.pop()) {
    const { node, depth } = next;
    if (!isPlan(node.span)) continue;
    found.push({ node, depth, own: ownTimeOf(node), facts: facts(node.span) });
    for (const child of [...node.children].reverse()) stack.push({ node: child, depth: depth + 1 });
  }
  const total = Math.max(
    found.reduce((sum, { own }) => sum + own, 0),
    1,
  );
  return { query, lines: found.map((line) => ({ ...line, share: line.own / total })) };
}

/** What the server said where it did, since the positions of nodes are made up; else what the drawing says. */
function ownTimeOf(node: Node): number {
  const said = numberOf(node.span.attributes, `${PLAN}self_time_ms`);
  return said === null ? ownTime(node) : said * 1e6;
}

/** A filter of a query specification. */
export interface Filter {
  readonly column: string;
  readonly op: '=';
  readonly value: string;
}

/** What finds the same statement elsewhere: its id, as `pg_stat_statements` knows it, where the server told it, else its text. */
export function sameStatement({ query, lines }: Plan): readonly Filter[] | null {
  for (const { span } of lines.map(({ node }) => node)) {
    const id = span.attributes['postgresql.query_id'];
    if (typeof id === 'string' || typeof id === 'number') {
      return [
        { column: 'postgresql.query_id', op: '=', value: String(id) },
        { column: 'name', op: '=', value: span.name },
      ];
    }
  }
  const text = query.span.attributes['db.query.text'];
  if (typeof text !== 'string') return null;
  return [
    { column: 'db.query.text', op: '=', value: text },
    { column: 'service.name', op: '=', value: query.span.service },
  ];
}

/** What to look at first: the node with the most own time, and what the planner got wrong. */
export function remarks({ query, lines }: Plan): string[] {
  const said: string[] = [];
  const [most] = [...lines].sort((a, b) => b.own - a.own);
  const share = most ? most.own / Math.max(query.span.duration_nano, 1) : 0;
  if (most && share > 0.2) said.push(`${Math.round(100 * share)} % of the time is in ${most.node.span.name} itself (${duration(most.own)}).`);
  for (const { node, facts: each } of lines) {
    if (isMisestimated(each)) said.push(`${node.span.name}: ${misestimateText(each)} rows were expected.`);
    if (each.temp > 0) said.push(`${node.span.name} did not fit into work_mem: ${plural(each.temp, 'page')} of temporary files.`);
    if (each.removed > 1_000 && each.removed > 10 * (each.actual ?? 0) * each.loops) said.push(`${node.span.name} read ${count(each.removed)} rows only to leave them out: an index may be missing.`);
  }
  return said;
}

function rows(value: number): string {
  return Number.isInteger(value) ? count(value) : value.toFixed(1);
}

function numberOf(attributes: Attributes, key: string): number | null {
  const value = attributes[key];
  return typeof value === 'number' ? value : null;
}
