// Spans -> tree. Pure, and without recursion: a hostile trace is deeper than any stack.
//
// Whatever arrives can be drawn. A span that comes twice is drawn once (the first copy stays), one
// whose parent is missing hangs below a row that says so, and a loop of parents is cut open at its
// earliest span. `tree.rs` of the console does the same in text.
//
// The tree is a few columns of numbers beside those of the spans; a node is a place in them.

import type { Span } from '../shared/shapes';
import { NOBODY } from './columns';
import type { Columns } from './columns';

/** Why a span stands where it stands. */
export type Place = 'root' | 'child' | 'orphan' | 'loop';

/** Spans whose parent has not arrived, by that parent. */
export interface Missing {
  readonly id: string;
  readonly parentSpanId: string;
  readonly children: readonly Node[];
}

/** Siblings of one name and service, of which there are so many that they are drawn as one: a query for each of a list, a step of a loop. */
export interface Repeat {
  readonly id: string;
  /** The place of the first of them in the columns. */
  readonly first: number;
  readonly nodes: readonly Node[];
}

/** So many siblings of one name are a repetition. */
export const REPEATED = 5;

const PLACES = ['child', 'root', 'orphan', 'loop'] as const;
const [CHILD, ROOT, ORPHAN, LOOP] = [0, 1, 2, 3] as const;

/** A span in its tree. There is one for each span that was ever asked for. */
export class Node {
  constructor(
    readonly forest: Forest,
    /** Its place in the columns. */
    readonly at: number,
  ) {}

  get id(): string {
    return this.forest.columns.idOf(this.at);
  }

  get span(): Span {
    return this.forest.columns.spanOf(this.at);
  }

  get place(): Place {
    return PLACES[this.forest.places[this.at]!]!;
  }

  get parent(): Node | null {
    const parent = this.forest.parents[this.at]!;
    return parent === NOBODY ? null : this.forest.node(parent);
  }

  /** By start. */
  get children(): readonly Node[] {
    const { childrenFrom, childrenTo, children } = this.forest;
    return Array.from(children.subarray(childrenFrom[this.at], childrenTo[this.at]), (child) => this.forest.node(child));
  }

  /** How many spans hang below, at any depth. */
  get below(): number {
    return this.forest.below[this.at]!;
  }

  /** How many of them failed. */
  get failedBelow(): number {
    return this.forest.failedBelow[this.at]!;
  }

  /** The repetition that it is part of. */
  get repeat(): Repeat | null {
    const place = this.forest.repeatOf[this.at]!;
    return place === NOBODY ? null : this.forest.repeats[place]!;
  }
}

/** The trees of a trace: one, if all is well. Numbers are places in the columns. */
export class Forest {
  readonly roots: readonly Node[];
  readonly missing: readonly Missing[];
  readonly repeats: readonly Repeat[];
  /** Every span once, depth first, siblings by start: the order in which they are drawn. */
  readonly order: Int32Array;
  /** How many spans failed. */
  readonly failed: number;

  readonly parents: Int32Array;
  /** Where in `children` those of a span begin and end. */
  readonly childrenFrom: Int32Array;
  readonly childrenTo: Int32Array;
  readonly children: Int32Array;
  readonly places: Uint8Array;
  readonly below: Int32Array;
  readonly failedBelow: Int32Array;
  /** The place in `repeats`. */
  readonly repeatOf: Int32Array;

  readonly #made: Node[] = [];
  #nodes: readonly Node[] | undefined;
  #ranks: Int32Array | undefined;

  constructor(readonly columns: Columns) {
    const { size } = columns;
    this.parents = new Int32Array(size).fill(NOBODY);
    this.childrenFrom = new Int32Array(size);
    this.childrenTo = new Int32Array(size);
    this.children = new Int32Array(size);
    this.places = new Uint8Array(size);
    this.below = new Int32Array(size);
    this.failedBelow = new Int32Array(size);
    this.repeatOf = new Int32Array(size).fill(NOBODY);
    const order = new Int32Array(size);

    this.#link();
    const roots: Node[] = [];
    const missing = new Map<string, { id: string; parentSpanId: string; children: Node[] }>();
    let reached = 0;
    for (let at = 0; at < size; at += 1) {
      if (columns.again[at] || this.places[at] === CHILD) continue;
      reached = this.#descend(at, order, reached);
      if (this.places[at] === ROOT) {
        roots.push(this.node(at));
        continue;
      }
      const parentSpanId = columns.spanOf(at).parent_span_id ?? '';
      const group = missing.get(parentSpanId);
      if (group) group.children.push(this.node(at));
      else missing.set(parentSpanId, { id: `missing-${parentSpanId}`, parentSpanId, children: [this.node(at)] });
    }
    // What is left hangs below loops.
    if (reached < size - columns.again.reduce((sum, each) => sum + each, 0)) {
      const isReached = new Uint8Array(size);
      for (const at of order.subarray(0, reached)) isReached[at] = 1;
      for (let at = 0; at < size; at += 1) {
        if (columns.again[at] || isReached[at]) continue;
        const first = reached;
        const cut = this.#cutLoop(at);
        reached = this.#descend(cut, order, reached);
        roots.push(this.node(cut));
        for (const each of order.subarray(first, reached)) isReached[each] = 1;
      }
    }
    this.roots = roots;
    this.missing = [...missing.values()];
    this.order = order.subarray(0, reached);
    this.repeats = this.#findRepeats();
    this.failed = this.order.reduce((sum, at) => sum + columns.failed[at]!, 0);
  }

  get size(): number {
    return this.order.length;
  }

  /** Every span once, depth first. */
  get nodes(): readonly Node[] {
    return (this.#nodes ??= Array.from(this.order, (at) => this.node(at)));
  }

  get(spanId: string): Node | undefined {
    const at = this.columns.placeOf(spanId);
    return at === NOBODY ? undefined : this.node(at);
  }

  has(spanId: string): boolean {
    return this.columns.placeOf(spanId) !== NOBODY;
  }

  /** Its place in `order`; -1 when there is no such span. */
  rankOf(spanId: string): number {
    const at = this.columns.placeOf(spanId);
    if (at === NOBODY) return -1;
    if (this.#ranks === undefined) {
      const ranks = new Int32Array(this.columns.size);
      this.order.forEach((each, rank) => (ranks[each] = rank));
      this.#ranks = ranks;
    }
    return this.#ranks[at]!;
  }

  node(at: number): Node {
    return (this.#made[at] ??= new Node(this, at));
  }

  /** Parents and children. Of a span that is there twice the second has no place. */
  #link(): void {
    const { columns, parents, childrenFrom, childrenTo, children, places } = this;
    for (let at = 0; at < columns.size; at += 1) {
      if (columns.again[at]) continue;
      const parent = columns.parents[at]!;
      if (parent < 0) places[at] = parent === NOBODY ? ROOT : ORPHAN;
      else {
        parents[at] = parent;
        childrenTo[parent]! += 1;
      }
    }
    // Counts become places: each span's children follow those of the span before.
    let from = 0;
    for (let at = 0; at < columns.size; at += 1) {
      const count = childrenTo[at]!;
      childrenFrom[at] = childrenTo[at] = from;
      from += count;
    }
    for (let at = 0; at < columns.size; at += 1) {
      const parent = parents[at]!;
      if (parent === NOBODY) continue;
      children[childrenTo[parent]!] = at;
      childrenTo[parent]! += 1;
    }
  }

  /** Writes `top` and all below it into `order` from `first` on, depth first; gives where it ended. */
  #descend(top: number, order: Int32Array, first: number): number {
    const { childrenFrom, childrenTo, children, parents, below, failedBelow, columns } = this;
    const stack = [top];
    let end = first;
    for (let at = stack.pop(); at !== undefined; at = stack.pop()) {
      order[end] = at;
      end += 1;
      for (let i = childrenTo[at]! - 1; i >= childrenFrom[at]!; i -= 1) stack.push(children[i]!);
    }
    // Children come after their parents, so that one pass from the end sums everything up.
    for (let i = end - 1; i > first; i -= 1) {
      const at = order[i]!;
      const parent = parents[at]!;
      below[parent]! += below[at]! + 1;
      failedBelow[parent]! += failedBelow[at]! + columns.failed[at]!;
    }
    return end;
  }

  /** Follows parents until one comes again, and makes the earliest of the circle a root. */
  #cutLoop(from: number): number {
    const { parents, columns, childrenFrom, childrenTo, children, places } = this;
    const seen = new Set<number>();
    let onLoop = from;
    while (!seen.has(onLoop)) {
      seen.add(onLoop);
      onLoop = parents[onLoop]!;
    }
    let cut = onLoop;
    for (let at = parents[onLoop]!; at !== onLoop; at = parents[at]!) {
      if (columns.starts[at]! < columns.starts[cut]!) cut = at;
    }
    const parent = parents[cut]!;
    const place = children.indexOf(cut, childrenFrom[parent]);
    children.copyWithin(place, place + 1, childrenTo[parent]);
    childrenTo[parent]! -= 1;
    parents[cut] = NOBODY;
    places[cut] = LOOP;
    return cut;
  }

  #findRepeats(): Repeat[] {
    const { childrenFrom, childrenTo, children, columns, repeatOf } = this;
    const repeats: Repeat[] = [];
    for (const at of this.order) {
      if (childrenTo[at]! - childrenFrom[at]! < REPEATED) continue;
      const groups = new Map<number, number[]>();
      for (let i = childrenFrom[at]!; i < childrenTo[at]!; i += 1) {
        const child = children[i]!;
        const group = groups.get(columns.likeness[child]!);
        if (group) group.push(child);
        else groups.set(columns.likeness[child]!, [child]);
      }
      for (const same of groups.values()) {
        if (same.length < REPEATED) continue;
        for (const child of same) repeatOf[child] = repeats.length;
        repeats.push(new Siblings(this, same));
      }
    }
    return repeats;
  }
}

/** Its nodes are made when it is looked at. */
class Siblings implements Repeat {
  #nodes: readonly Node[] | undefined;

  constructor(
    private readonly forest: Forest,
    private readonly ats: readonly number[],
  ) {}

  get id(): string {
    return `repeat-${this.forest.columns.idOf(this.first)}`;
  }

  get first(): number {
    return this.ats[0]!;
  }

  get nodes(): readonly Node[] {
    return (this.#nodes ??= this.ats.map((at) => this.forest.node(at)));
  }
}

/** What has to be open for a span to be seen, from the inside out: subtrees, and repetitions. */
export function ancestorsOf(forest: Forest, spanId: string): string[] {
  const ids: string[] = [];
  let node = forest.get(spanId) ?? null;
  for (let top = node; top; top = top.parent) {
    if (top.repeat) ids.push(top.repeat.id);
    if (top.parent) ids.push(top.parent.id);
    node = top;
  }
  if (node?.place === 'orphan') ids.push(`missing-${node.span.parent_span_id}`);
  return ids;
}
