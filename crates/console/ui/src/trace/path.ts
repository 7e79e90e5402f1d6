// The path of a trace: which stations it visits, in the order in which they are reached. Pure.

import type { Forest, Node } from './tree';
import { station } from './describe';

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
  const found = new Map<string, { spans: number; failed: number; own: number; step: number }>();
  const stepOf = new Map<Node, number>();
  for (const node of forest.nodes) {
    const name = station(node.span);
    const before = node.parent ? (stepOf.get(node.parent) ?? 0) : 0;
    const step = node.parent && station(node.parent.span) !== name ? before + 1 : before;
    stepOf.set(node, step);
    const entry = found.get(name);
    const failed = isOrigin(node) ? 1 : 0;
    if (entry) {
      entry.spans += 1;
      entry.failed += failed;
      entry.own += ownTime(node);
      entry.step = Math.min(entry.step, step);
    } else found.set(name, { spans: 1, failed, own: ownTime(node), step });
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
export function ownTime({ span, children }: Node): number {
  const start = span.start_unix_nano;
  const end = start + span.duration_nano;
  let covered = 0;
  let reached = start;
  for (const child of children) {
    const from = Math.max(child.span.start_unix_nano, reached);
    const to = Math.min(child.span.start_unix_nano + child.span.duration_nano, end);
    if (to > from) {
      covered += to - from;
      reached = to;
    }
  }
  return Math.max(span.duration_nano - covered, 0);
}
