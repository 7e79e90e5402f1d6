// The critical path: what the end of a trace waited for. Pure.
//
// Walk back from the end of the root. What ran last before that moment is what was waited for: the
// child that ended last; before that child began, the one that ended last before it; and where no child
// ran, the span itself. A child that ends after its parent was not waited for, and of one that began before
// it only what lies within: clocks of two machines differ, and so each moment has one span. Only the root
// is looked at to the end of the trace: a page's load goes on after the request that sent the page.

import type { Node } from './tree';

/** A stretch of time in nanoseconds since 1970 in which the trace waited for this very span. */
export interface Stretch {
  readonly from: number;
  readonly to: number;
}

/** The stretches of each span on the path below `root` up to the end of the trace, by span id, latest first. */
export function criticalPath(root: Node, traceEnd = 0): Map<string, Stretch[]> {
  const path = new Map<string, Stretch[]>();
  const end = (node: Node) => node.span.start_unix_nano + node.span.duration_nano;
  const stack: { node: Node; since: number; until: number }[] = [{ node: root, since: root.span.start_unix_nano, until: Math.max(end(root), traceEnd) }];
  for (let next = stack.pop(); next; next = stack.pop()) {
    const { node, since, until } = next;
    const start = Math.max(node.span.start_unix_nano, since);
    const own: Stretch[] = [];
    let now = node === root ? until : Math.min(until, end(node));
    for (const child of [...node.children].sort((a, b) => end(b) - end(a))) {
      const childStart = child.span.start_unix_nano;
      // Still running when a later one had begun: its tail was not waited for.
      if (childStart < now && end(child) - now > Math.max(SLACK, OVERLAP * child.span.duration_nano)) continue;
      const childEnd = Math.min(end(child), now);
      if (childEnd <= start || childStart >= now || childEnd <= childStart) continue;
      if (childEnd < now) own.push({ from: childEnd, to: now });
      stack.push({ node: child, since: start, until: childEnd });
      now = Math.max(childStart, start);
    }
    if (start < now) own.push({ from: start, to: now });
    path.set(node.id, node === root ? own.filter(({ from }) => from < end(root)) : own);
  }
  return path;
}

/** Times are exact to 256 ns only. */
const SLACK = 1_000;
/** The share of a span that may overlap with the one that waited for it: its last words, and clocks that differ. */
const OVERLAP = 0.05;
