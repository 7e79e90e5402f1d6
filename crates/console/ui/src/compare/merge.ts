// Two traces as one tree. Pure.

import { station, valueText } from '../trace/describe';
import type { Attributes, Span } from '../shared/shapes';
import type { Forest, Node } from '../trace/tree';

export interface Side {
  /** Like spans below the same parent count together: a loop that ran more often is one row, not many. */
  readonly spans: number;
  readonly failed: number;
  /** Nanoseconds, of all of them. */
  readonly duration: number;
  /** Of the first one: to open it. */
  readonly id: string | null;
}

export interface Pair {
  readonly key: string;
  readonly name: string;
  readonly station: string;
  readonly depth: number;
  readonly left: Side;
  readonly right: Side;
  /** Nanoseconds that the right one took longer. */
  readonly difference: number;
  /** Of that, what is not the children's: where the difference began. */
  readonly own: number;
}

/** Rows beyond this are not made; what is left out is counted. */
export const MOST_ROWS = 5_000;

interface Group {
  readonly name: string;
  readonly station: string;
  readonly nodes: [left: Node[], right: Node[]];
}

/** The spans of both, paired by their path: like names of like services below like parents. */
export function merge(left: Forest, right: Forest): { readonly pairs: readonly Pair[]; readonly leftOut: number } {
  const tops = (forest: Forest) => [...forest.roots, ...forest.missing.flatMap(({ children }) => children)];
  const pairs: Pair[] = [];
  let leftOut = 0;
  const stack = grouped(tops(left), tops(right))
    .reverse()
    .map((group) => ({ group, depth: 0, path: '' }));
  for (let next = stack.pop(); next; next = stack.pop()) {
    const { group, depth, path } = next;
    const key = `${path}/${group.station}:${group.name}`;
    const below = grouped(
      group.nodes[0].flatMap(({ children }) => children),
      group.nodes[1].flatMap(({ children }) => children),
    );
    if (pairs.length >= MOST_ROWS) {
      leftOut += 1;
      continue;
    }
    const [before, after] = group.nodes.map(sideOf) as [Side, Side];
    const difference = after.duration - before.duration;
    const inherited = below.reduce((sum, { nodes }) => sum + durationOf(nodes[1]) - durationOf(nodes[0]), 0);
    pairs.push({ key, name: group.name, station: group.station, depth, left: before, right: after, difference, own: difference - inherited });
    for (const each of below.reverse()) stack.push({ group: each, depth: depth + 1, path: key });
  }
  return { pairs, leftOut };
}

/** In the order of the left one; what only the right one has comes after what it follows there. */
function grouped(left: readonly Node[], right: readonly Node[]): Group[] {
  const groups = new Map<string, Group>();
  const order: Group[] = [];
  const add = (nodes: readonly Node[], side: 0 | 1) => {
    let place = 0;
    for (const node of nodes) {
      const where = station(node.span);
      const key = `${where}\n${node.span.name}`;
      let group = groups.get(key);
      if (!group) {
        group = { name: node.span.name, station: where, nodes: [[], []] };
        groups.set(key, group);
        order.splice(side === 0 ? order.length : place, 0, group);
      }
      place = order.indexOf(group) + 1;
      group.nodes[side].push(node);
    }
  };
  add(left, 0);
  add(right, 1);
  return order;
}

function sideOf(nodes: readonly Node[]): Side {
  return { spans: nodes.length, failed: nodes.filter(({ span }) => span.status === 'error').length, duration: durationOf(nodes), id: nodes[0]?.id ?? null };
}

function durationOf(nodes: readonly Node[]): number {
  return nodes.reduce((sum, { span }) => sum + span.duration_nano, 0);
}

/** Whether a row says that something is different: as much as `least` nanoseconds, the number of spans, or how they ended. */
export function differs({ left, right, own }: Pair, least: number): boolean {
  return left.spans !== right.spans || left.failed !== right.failed || Math.abs(own) >= least;
}

/** The rows with a difference, and those above them, so that each has its place. */
export function withAncestors(pairs: readonly Pair[], isWanted: (pair: Pair) => boolean): readonly Pair[] {
  const kept = new Set<Pair>();
  const above: Pair[] = [];
  for (const pair of pairs) {
    above[pair.depth] = pair;
    if (isWanted(pair)) for (let depth = 0; depth <= pair.depth; depth += 1) kept.add(above[depth]!);
  }
  return pairs.filter((pair) => kept.has(pair));
}

/** An attribute that is not the same in two spans; null where one does not have it. */
export interface Differing {
  readonly key: string;
  readonly left: string | null;
  readonly right: string | null;
}

/** What two spans say differently of themselves, and of the process that they are from. */
export function differing(left: Span, right: Span): Differing[] {
  return [...differingOf(left.attributes, right.attributes), ...differingOf(left.resource, right.resource)];
}

function differingOf(left: Attributes, right: Attributes): Differing[] {
  const text = (of: Attributes, key: string) => (key in of ? valueText(of[key]!) : null);
  const keys = [...new Set([...Object.keys(left), ...Object.keys(right)])].sort();
  return keys.map((key) => ({ key, left: text(left, key), right: text(right, key) })).filter((each) => each.left !== each.right);
}
