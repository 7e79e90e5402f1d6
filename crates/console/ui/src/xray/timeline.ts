// A trace as X-Ray's console draws it: a block for each node of the map, in it its segments and their subsegments. Pure.

import type { Document, WholeTrace } from './model';

export interface Line {
  /** The id of the segment or subsegment; one without an id is told by its place. */
  readonly id: string;
  readonly document: Document;
  readonly depth: number;
  readonly isSegment: boolean;
  /** The segment that this line is or is part of. */
  readonly segment: Document;
  readonly hasBelow: boolean;
}

export interface Block {
  readonly name: string;
  readonly kind: string;
  readonly inferred: boolean;
  readonly lines: readonly Line[];
}

export interface Timeline {
  readonly blocks: readonly Block[];
  readonly lines: readonly Line[];
  /** Seconds. `to` is after `from` always. */
  readonly from: number;
  readonly to: number;
  readonly segments: number;
  readonly subsegments: number;
  readonly inferred: number;
}

/** Documents that cannot be read are left out; the console read all of them before. */
export function documentsOf(trace: WholeTrace): Document[] {
  return trace.Segments.flatMap(({ Document: text }) => {
    try {
      return [JSON.parse(text) as Document];
    } catch {
      return [];
    }
  });
}

export function timeline(documents: readonly Document[], closed: ReadonlySet<string> = new Set()): Timeline {
  const blocks = new Map<string, { name: string; kind: string; inferred: boolean; lines: Line[] }>();
  const all: Line[] = [];
  let [from, to] = [Infinity, -Infinity];
  let [subsegments, inferred] = [0, 0];
  for (const segment of inOrder(documents)) {
    const kind = segment.origin ?? '';
    const key = `${segment.name}\n${kind}`;
    const block = blocks.get(key) ?? { name: segment.name, kind, inferred: segment.inferred === true, lines: [] };
    blocks.set(key, block);
    if (segment.inferred) inferred += 1;
    const stack: { document: Document; depth: number; hidden: boolean }[] = [{ document: segment, depth: 0, hidden: false }];
    for (let next = stack.pop(); next; next = stack.pop()) {
      const { document, depth, hidden } = next;
      from = Math.min(from, document.start_time);
      to = Math.max(to, document.end_time ?? document.start_time);
      if (depth > 0) subsegments += 1;
      const below = [...(document.subsegments ?? [])].sort((a, b) => a.start_time - b.start_time);
      const id = document.id ?? `${key}\n${block.lines.length}`;
      if (!hidden) block.lines.push({ id, document, depth, isSegment: depth === 0, segment, hasBelow: below.length > 0 });
      for (const each of below.reverse()) stack.push({ document: each, depth: depth + 1, hidden: hidden || closed.has(id) });
    }
  }
  for (const { lines } of blocks.values()) all.push(...lines);
  if (!(to > from)) to = (Number.isFinite(from) ? from : 0) + 1e-6;
  if (!Number.isFinite(from)) from = 0;
  return { blocks: [...blocks.values()], lines: all, from, to, segments: documents.length - inferred, subsegments, inferred };
}

/**
 * Callers before callees: a segment stands after the one whose subsegment called it, whatever its clock says; those
 * whose caller is not here by their start.
 */
function inOrder(documents: readonly Document[]): Document[] {
  const owner = new Map<string, Document>();
  for (const segment of documents) {
    const stack: Document[] = [segment];
    for (let next = stack.pop(); next; next = stack.pop()) {
      if (next.id !== undefined && !owner.has(next.id)) owner.set(next.id, segment);
      stack.push(...(next.subsegments ?? []));
    }
  }
  const callees = new Map<Document, Document[]>();
  const tops: Document[] = [];
  for (const segment of [...documents].sort((a, b) => a.start_time - b.start_time)) {
    const caller = segment.parent_id === undefined ? undefined : owner.get(segment.parent_id);
    if (caller === undefined || caller === segment) tops.push(segment);
    else callees.set(caller, [...(callees.get(caller) ?? []), segment]);
  }
  const ordered: Document[] = [];
  const seen = new Set<Document>();
  const visit = (start: readonly Document[]) => {
    const stack = [...start].reverse();
    for (let next = stack.pop(); next; next = stack.pop()) {
      if (seen.has(next)) continue;
      seen.add(next);
      ordered.push(next);
      stack.push(...[...(callees.get(next) ?? [])].reverse());
    }
  };
  visit(tops);
  // What is left calls each other in a circle.
  visit(documents.filter((each) => !seen.has(each)));
  return ordered;
}
