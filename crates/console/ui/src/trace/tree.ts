// Spans -> tree -> rows. Pure, and without recursion: a hostile trace is deeper than any stack.
//
// Whatever arrives can be drawn. A span that comes twice is drawn once (the first copy stays), one
// whose parent is missing hangs below a row that says so, and a loop of parents is cut open at its
// earliest span. `tree.rs` of the console does the same in text.

import type { Span } from '../shared/shapes';

/** Why a span stands where it stands. */
export type Place = 'root' | 'child' | 'orphan' | 'loop';

export interface Node {
  readonly id: string;
  readonly span: Span;
  readonly place: Place;
  readonly parent: Node | null;
  readonly children: readonly Node[];
  /** How many spans hang below, at any depth, and how many of them failed. */
  readonly below: number;
  readonly failedBelow: number;
}

/** Spans whose parent has not arrived, by that parent. */
export interface Missing {
  readonly id: string;
  readonly parentSpanId: string;
  readonly children: Node[];
}

/** Siblings of one name and service, of which there are so many that they are drawn as one: a query for each of a list, a step of a loop. */
export interface Repeat {
  readonly id: string;
  readonly nodes: readonly Node[];
}

/** So many siblings of one name are a repetition. */
export const REPEATED = 5;

export interface Forest {
  readonly roots: readonly Node[];
  readonly missing: readonly Missing[];
  readonly byId: ReadonlyMap<string, Node>;
  /** Every span once, depth first, siblings by start: the order in which they are drawn. */
  readonly nodes: readonly Node[];
  /** The repetition that a span is part of. */
  readonly repeats: ReadonlyMap<Node, Repeat>;
}

/** While the tree is put together. */
interface Growing {
  id: string;
  span: Span;
  place: Place;
  parent: Growing | null;
  children: Growing[];
  below: number;
  failedBelow: number;
}

/** Most spans have no children, and a list for each would be a good part of the memory of a large trace. */
const NO_CHILDREN: Growing[] = [];

export function buildForest(spans: readonly Span[]): Forest {
  const byId = new Map<string, Growing>();
  for (const span of inOrder(spans)) {
    if (byId.has(span.span_id)) continue;
    byId.set(span.span_id, { id: span.span_id, span, place: 'child', parent: null, children: NO_CHILDREN, below: 0, failedBelow: 0 });
  }
  const tops: Growing[] = [];
  for (const node of byId.values()) {
    const wanted = node.span.parent_span_id;
    const parent = wanted === null ? undefined : byId.get(wanted);
    if (parent) {
      node.parent = parent;
      if (parent.children === NO_CHILDREN) parent.children = [node];
      else parent.children.push(node);
    } else {
      node.place = wanted === null ? 'root' : 'orphan';
      tops.push(node);
    }
  }

  const roots: Node[] = [];
  const missing = new Map<string, Missing>();
  const nodes: Growing[] = [];
  for (const top of tops) {
    descend(top, nodes);
    if (top.place === 'root') {
      roots.push(top);
      continue;
    }
    const parentSpanId = top.span.parent_span_id ?? '';
    const group = missing.get(parentSpanId);
    if (group) group.children.push(top);
    else missing.set(parentSpanId, { id: `missing-${parentSpanId}`, parentSpanId, children: [top] });
  }
  // What is left hangs below loops.
  if (nodes.length < byId.size) {
    const reached = new Set(nodes);
    for (const node of byId.values()) {
      if (reached.has(node)) continue;
      const first = nodes.length;
      const cut = earliestOfLoop(node);
      if (cut.parent) cut.parent.children = cut.parent.children.filter((child) => child !== cut);
      Object.assign(cut, { place: 'loop', parent: null });
      descend(cut, nodes);
      roots.push(cut);
      for (const each of nodes.slice(first)) reached.add(each);
    }
  }
  return { roots, missing: [...missing.values()], byId, nodes, repeats: repeatsOf(nodes) };
}

/** By start, as the console answers them. */
function inOrder(spans: readonly Span[]): readonly Span[] {
  const isSorted = spans.every((span, at) => at === 0 || spans[at - 1]!.start_unix_nano <= span.start_unix_nano);
  return isSorted ? spans : [...spans].sort((a, b) => a.start_unix_nano - b.start_unix_nano);
}

/** Appends `top` and all below it to `nodes`, depth first. */
function descend(top: Growing, nodes: Growing[]): void {
  const first = nodes.length;
  const stack = [top];
  for (let node = stack.pop(); node; node = stack.pop()) {
    nodes.push(node);
    for (let i = node.children.length - 1; i >= 0; i -= 1) stack.push(node.children[i]!);
  }
  // Children come after their parents, so that one pass from the end sums everything up.
  for (let i = nodes.length - 1; i > first; i -= 1) {
    const { parent, below, failedBelow, span } = nodes[i]!;
    if (!parent) continue;
    parent.below += below + 1;
    parent.failedBelow += failedBelow + (span.status === 'error' ? 1 : 0);
  }
}

/** Follows parents until one comes again, and gives the earliest of the circle. */
function earliestOfLoop(from: Growing): Growing {
  const parentOf = (node: Growing) => node.parent ?? node;
  const seen = new Set<Growing>();
  let onLoop = from;
  while (!seen.has(onLoop)) {
    seen.add(onLoop);
    onLoop = parentOf(onLoop);
  }
  let earliest = onLoop;
  for (let node = parentOf(onLoop); node !== onLoop; node = parentOf(node)) {
    if (node.span.start_unix_nano < earliest.span.start_unix_nano) earliest = node;
  }
  return earliest;
}

function repeatsOf(nodes: readonly Node[]): Map<Node, Repeat> {
  const repeats = new Map<Node, Repeat>();
  for (const { children } of nodes) {
    if (children.length < REPEATED) continue;
    for (const named of groupBy(children, ({ span }) => span.name)) {
      if (named.length < REPEATED) continue;
      for (const same of groupBy(named, ({ span }) => `${span.service}\n${span.kind}`)) {
        if (same.length < REPEATED) continue;
        const repeat = { id: `repeat-${same[0]!.id}`, nodes: same };
        for (const node of same) repeats.set(node, repeat);
      }
    }
  }
  return repeats;
}

function groupBy(nodes: readonly Node[], key: (node: Node) => string): Iterable<Node[]> {
  const groups = new Map<string, Node[]>();
  for (const node of nodes) {
    const of = key(node);
    const group = groups.get(of);
    if (group) group.push(node);
    else groups.set(of, [node]);
  }
  return groups.values();
}

/** What was said during a span: a log line, or an error that was reported. */
export interface Note {
  readonly id: string;
  readonly kind: 'log' | 'error';
  readonly spanId: string;
  readonly time: number;
  readonly severity: 'error' | 'warn' | 'info' | 'debug';
  readonly text: string;
}

/** A line of the waterfall: a span, a repetition of spans, the place of one that has not arrived, or what was said during a span. */
export interface Row {
  readonly id: string;
  readonly depth: number;
  /** Null for everything else. */
  readonly node: Node | null;
  readonly missing: Missing | null;
  readonly repeat: Repeat | null;
  readonly note: Note | null;
  readonly hasChildren: boolean;
  readonly collapsed: boolean;
  /** One bit of text per indent: whether the guide of that ancestor goes on below this row. */
  readonly guides: string;
}

export interface Shown {
  /** Subtrees that are closed. */
  readonly closed: ReadonlySet<string>;
  /** Repetitions that are open; they are closed unless asked for. */
  readonly opened?: ReadonlySet<string>;
  /** Notes to show, by the span that said them. */
  readonly notes?: ReadonlyMap<string, readonly Note[]>;
}

type Item = Node | Missing | Repeat;

/** The lines that are shown. */
export function rowsOf(forest: Forest, { closed, opened = NONE, notes }: Shown): Row[] {
  const rows: Row[] = [];
  const stack: { item: Item; depth: number; guides: string; last: boolean }[] = [];
  const tops: (Node | Missing)[] = [...forest.roots, ...forest.missing];
  for (let i = tops.length - 1; i >= 0; i -= 1) stack.push({ item: tops[i]!, depth: 0, guides: '', last: true });

  for (let next = stack.pop(); next; next = stack.pop()) {
    const { item, depth, guides, last } = next;
    const node = 'span' in item ? item : null;
    const missing = 'parentSpanId' in item ? item : null;
    const repeat = 'nodes' in item ? item : null;
    const collapsed = repeat ? !opened.has(repeat.id) : closed.has(item.id);
    const children: readonly Item[] = repeat ? repeat.nodes : withRepeats((item as Node | Missing).children, forest);
    rows.push({ id: item.id, depth, node, missing, repeat, note: null, hasChildren: children.length > 0, collapsed, guides: depth === 0 ? '' : guides + (last ? 'L' : 'T') });
    // Deep guides would make the rows of a deep trace quadratic; past this depth they are not drawn anyway.
    const inner = depth === 0 ? '' : guides.length < MAX_GUIDES ? guides + (last ? ' ' : 'I') : guides;
    const said = node && notes?.get(node.id);
    if (said) {
      const below = children.length > 0 && !collapsed ? 'I' : ' ';
      for (const note of said) rows.push({ id: note.id, depth: depth + 1, node: null, missing: null, repeat: null, note, hasChildren: false, collapsed: false, guides: inner + below });
    }
    if (collapsed) continue;
    for (let i = children.length - 1; i >= 0; i -= 1) {
      stack.push({ item: children[i]!, depth: depth + 1, guides: inner, last: i === children.length - 1 });
    }
  }
  return rows;
}

const NONE: ReadonlySet<string> = new Set();

/** A repetition stands in the place of its first span. */
function withRepeats(children: readonly Node[], forest: Forest): readonly Item[] {
  if (children.length < REPEATED) return children;
  const items: Item[] = [];
  for (const child of children) {
    const repeat = forest.repeats.get(child);
    if (!repeat) items.push(child);
    else if (repeat.nodes[0] === child) items.push(repeat);
  }
  return items;
}

/** Deeper rows are not indented further: there is no room for their names. */
export const MAX_GUIDES = 24;

/** What has to be open for a span to be seen, from the inside out: subtrees, and repetitions. */
export function ancestorsOf(forest: Forest, spanId: string): string[] {
  const ids: string[] = [];
  let node = forest.byId.get(spanId) ?? null;
  for (let top = node; top; top = top.parent) {
    const repeat = forest.repeats.get(top);
    if (repeat) ids.push(repeat.id);
    if (top.parent) ids.push(top.parent.id);
    node = top;
  }
  if (node?.place === 'orphan') ids.push(`missing-${node.span.parent_span_id}`);
  return ids;
}
