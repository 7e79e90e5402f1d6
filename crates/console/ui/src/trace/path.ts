// The path of a trace: which stations it visits, in the order in which they are reached. Pure.

import { NOBODY } from './columns';
import type { Forest, Node } from './tree';

export interface Station {
  readonly name: string;
  readonly spans: number;
  /** Failures that began here: failed spans with no failed one below. */
  readonly failed: number;
  /** Nanoseconds in which only this station worked on the trace's behalf: its spans' time without that of their children. */
  readonly own: number;
}

/** Stations by how many others lie before them: the browser, then the proxy, …; those of one step side by side. */
export function pathOf(forest: Forest): Station[][] {
  const { columns, parents, failedBelow } = forest;
  const found = new Map<string, { spans: number; failed: number; own: number; step: number }>();
  const stepOf = new Int32Array(columns.size);
  for (const at of forest.order) {
    const name = columns.stationOf(at);
    const parent = parents[at]!;
    const step = parent === NOBODY ? 0 : stepOf[parent]! + (columns.stationOf(parent) === name ? 0 : 1);
    stepOf[at] = step;
    const entry = found.get(name);
    const failed = columns.failed[at] === 1 && failedBelow[at] === 0 ? 1 : 0;
    const own = ownTimeAt(forest, at);
    if (entry) {
      entry.spans += 1;
      entry.failed += failed;
      entry.own += own;
      entry.step = Math.min(entry.step, step);
    } else found.set(name, { spans: 1, failed, own, step });
  }
  const steps: Station[][] = [];
  for (const [name, { step, ...rest }] of found) (steps[step] ??= []).push({ name, ...rest });
  // A station that is reached twice leaves its later step empty.
  return steps.filter((stations) => stations);
}

/** Whether a failure began here: the span failed, and nothing below it did. */
export function isOrigin({ span, failedBelow }: Node): boolean {
  return span.status === 'error' && failedBelow === 0;
}

/** The ids of those spans, in the order of the waterfall. */
export function originsOf({ order, columns, failedBelow }: Forest): string[] {
  return [...order.filter((at) => columns.failed[at] === 1 && failedBelow[at] === 0)].map((at) => columns.idOf(at));
}

/** Where the failure of a span began: down through what failed, or has failures below, to the last one. */
export function originOf(node: Node): Node {
  const end = ({ span }: Node) => span.start_unix_nano + span.duration_nano;
  let at = node;
  while (at.failedBelow > 0) {
    const ways = at.children.filter(({ span, failedBelow }) => span.status === 'error' || failedBelow > 0);
    at = ways.reduce((last, each) => (end(each) > end(last) ? each : last));
  }
  return at;
}

/** What a span took without its children, where they ran within it. */
export function ownTime({ forest, at }: Node): number {
  return ownTimeAt(forest, at);
}

function ownTimeAt({ columns: { starts, durations }, children, childrenFrom, childrenTo }: Forest, at: number): number {
  const end = starts[at]! + durations[at]!;
  let covered = 0;
  let reached = starts[at]!;
  for (let i = childrenFrom[at]!; i < childrenTo[at]!; i += 1) {
    const child = children[i]!;
    const from = Math.max(starts[child]!, reached);
    const to = Math.min(starts[child]! + durations[child]!, end);
    if (to > from) {
      covered += to - from;
      reached = to;
    }
  }
  return Math.max(durations[at]! - covered, 0);
}
