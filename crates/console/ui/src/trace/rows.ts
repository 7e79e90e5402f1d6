// Tree -> lines of the waterfall. Pure. Like the tree a few columns of numbers; a row is made when it is drawn.

import type { Forest, Missing, Node, Repeat } from './tree';

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
  /** One letter per indent: `I` and ` ` whether the guide of that ancestor goes on below this row, then `T` or `L` (for a note `I` or ` `). */
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

/** Deeper rows are not indented further: there is no room for their names. */
export const MAX_GUIDES = 24;

const NONE: ReadonlySet<string> = new Set();
const ENDS = ['T', 'L', 'I', ' '] as const;
const [ON, LAST, NOTE_ON, NOTE_LAST] = [0, 1, 2, 3] as const;
const HAS_CHILDREN = 1;
const COLLAPSED = 2;

/**
 * The lines that are shown. What a line shows is a number: below the number of spans the place of a span, then those of
 * what has not arrived, of repetitions, and of notes.
 */
export class Rows {
  readonly length: number;
  /** How many of them are spans. */
  readonly spans: number;

  readonly #forest: Forest;
  readonly #notes: readonly Note[];
  readonly #items: Int32Array;
  readonly #depths: Int32Array;
  /** Bit by bit, from the outside in, whether the guide of an ancestor goes on. */
  readonly #guides: Int32Array;
  readonly #ends: Uint8Array;
  readonly #flags: Uint8Array;

  constructor(forest: Forest, { closed, opened = NONE, notes }: Shown) {
    this.#forest = forest;
    const { columns, children, childrenFrom, childrenTo, repeatOf } = forest;
    const firstMissing = columns.size;
    const firstRepeat = firstMissing + forest.missing.length;
    const firstNote = firstRepeat + forest.repeats.length;
    const said = notesByPlace(forest, notes);
    const allNotes: Note[] = [];
    const most = firstNote + [...said.values()].reduce((sum, { length }) => sum + length, 0);
    const isShut = shut(forest, closed, opened);

    const items = new Int32Array(most);
    const depths = new Int32Array(most);
    const guides = new Int32Array(most);
    const ends = new Uint8Array(most);
    const flags = new Uint8Array(most);
    let length = 0;
    let spans = 0;
    const row = (item: number, depth: number, guide: number, end: number, flag: number) => {
      items[length] = item;
      depths[length] = depth;
      guides[length] = guide;
      ends[length] = end;
      flags[length] = flag;
      length += 1;
    };

    // What is still to come, the next one last.
    const stack = { items: new Int32Array(firstNote), depths: new Int32Array(firstNote), guides: new Int32Array(firstNote), ends: new Uint8Array(firstNote) };
    let waiting = 0;
    const push = (item: number, depth: number, guide: number, isLast: boolean) => {
      stack.items[waiting] = item;
      stack.depths[waiting] = depth;
      stack.guides[waiting] = guide;
      stack.ends[waiting] = isLast ? LAST : ON;
      waiting += 1;
    };
    for (let i = forest.missing.length - 1; i >= 0; i -= 1) push(firstMissing + i, 0, 0, true);
    for (let i = forest.roots.length - 1; i >= 0; i -= 1) push(forest.roots[i]!.at, 0, 0, true);

    while (waiting > 0) {
      waiting -= 1;
      const item = stack.items[waiting]!;
      const depth = stack.depths[waiting]!;
      const guide = stack.guides[waiting]!;
      const end = stack.ends[waiting]!;
      const isSpan = item < firstMissing;
      const hasChildren = isSpan ? childrenTo[item]! > childrenFrom[item]! : true;
      const collapsed = isShut[item] === 1;
      row(item, depth, guide, end, (hasChildren ? HAS_CHILDREN : 0) | (collapsed ? COLLAPSED : 0));
      if (isSpan) spans += 1;
      const inner = depth === 0 || depth > MAX_GUIDES || end === LAST ? guide : guide | (1 << (depth - 1));
      for (const note of (isSpan && said.get(item)) || []) {
        row(firstNote + allNotes.length, depth + 1, inner, hasChildren && !collapsed ? NOTE_ON : NOTE_LAST, 0);
        allNotes.push(note);
      }
      if (collapsed) continue;
      const before = waiting;
      if (isSpan) {
        for (let i = childrenTo[item]! - 1; i >= childrenFrom[item]!; i -= 1) {
          const child = children[i]!;
          const repeat = repeatOf[child]!;
          // A repetition stands in the place of its first span.
          if (repeat < 0) push(child, depth + 1, inner, waiting === before);
          else if (forest.repeats[repeat]!.first === child) push(firstRepeat + repeat, depth + 1, inner, waiting === before);
        }
      } else {
        const { nodes } = item < firstRepeat ? { nodes: forest.missing[item - firstMissing]!.children } : forest.repeats[item - firstRepeat]!;
        for (let i = nodes.length - 1; i >= 0; i -= 1) push(nodes[i]!.at, depth + 1, inner, waiting === before);
      }
    }
    this.length = length;
    this.spans = spans;
    this.#notes = allNotes;
    this.#items = items.subarray(0, length);
    this.#depths = depths;
    this.#guides = guides;
    this.#ends = ends;
    this.#flags = flags;
  }

  at(place: number): Row | undefined {
    const item = this.#items[place];
    if (item === undefined) return undefined;
    const forest = this.#forest;
    const firstMissing = forest.columns.size;
    const firstRepeat = firstMissing + forest.missing.length;
    const firstNote = firstRepeat + forest.repeats.length;
    const node = item < firstMissing ? forest.node(item) : null;
    const missing = (!node && forest.missing[item - firstMissing]) || null;
    const repeat = (!node && !missing && forest.repeats[item - firstRepeat]) || null;
    const note = (!node && !missing && !repeat && this.#notes[item - firstNote]) || null;
    const flags = this.#flags[place]!;
    return {
      id: (node ?? missing ?? repeat ?? note)!.id,
      depth: this.#depths[place]!,
      node,
      missing,
      repeat,
      note,
      hasChildren: (flags & HAS_CHILDREN) !== 0,
      collapsed: (flags & COLLAPSED) !== 0,
      guides: this.#guidesAt(place),
    };
  }

  slice(from: number, to: number): Row[] {
    return Array.from({ length: Math.max(Math.min(to, this.length) - from, 0) }, (_, i) => this.at(from + i)!);
  }

  /** Calls `draw` with the place of each span and that of its row; the spans of a closed repetition share one. */
  eachSpan(draw: (at: number, row: number) => void): void {
    const firstMissing = this.#forest.columns.size;
    const firstRepeat = firstMissing + this.#forest.missing.length;
    this.#items.forEach((item, row) => {
      if (item < firstMissing) draw(item, row);
      else if ((this.#flags[row]! & COLLAPSED) !== 0) for (const { at } of this.#forest.repeats[item - firstRepeat]?.nodes ?? []) draw(at, row);
    });
  }

  *[Symbol.iterator](): IterableIterator<Row> {
    for (let place = 0; place < this.length; place += 1) yield this.at(place)!;
  }

  /** Where the row of this id is; -1 when it is not shown. */
  placeOf(id: string | null): number {
    const forest = this.#forest;
    if (id === null) return -1;
    const at = forest.get(id)?.at;
    if (at !== undefined) return this.#items.indexOf(at);
    const firstRepeat = forest.columns.size + forest.missing.length;
    const missing = id.startsWith('missing-') ? forest.missing.findIndex((each) => each.id === id) : -1;
    if (missing !== -1) return this.#items.indexOf(forest.columns.size + missing);
    const repeat = id.startsWith('repeat-') ? forest.repeats.findIndex((each) => each.id === id) : -1;
    if (repeat !== -1) return this.#items.indexOf(firstRepeat + repeat);
    const note = this.#notes.findIndex((each) => each.id === id);
    return note === -1 ? -1 : this.#items.indexOf(firstRepeat + forest.repeats.length + note);
  }

  #guidesAt(place: number): string {
    const depth = this.#depths[place]!;
    if (depth === 0) return '';
    const bits = this.#guides[place]!;
    let text = '';
    for (let level = 0; level < Math.min(depth - 1, MAX_GUIDES); level += 1) text += bits & (1 << level) ? 'I' : ' ';
    return text + ENDS[this.#ends[place]!];
  }
}

export function rowsOf(forest: Forest, shown: Shown): Rows {
  return new Rows(forest, shown);
}

function notesByPlace(forest: Forest, notes: Shown['notes']): ReadonlyMap<number, readonly Note[]> {
  const said = new Map<number, readonly Note[]>();
  for (const [id, each] of notes ?? []) {
    const at = forest.get(id)?.at;
    if (at !== undefined) said.set(at, each);
  }
  return said;
}

/** 1 for what shows nothing of what is below it. */
function shut(forest: Forest, closed: ReadonlySet<string>, opened: ReadonlySet<string>): Uint8Array {
  const firstRepeat = forest.columns.size + forest.missing.length;
  const isShut = new Uint8Array(firstRepeat + forest.repeats.length);
  for (const id of closed) {
    const at = forest.get(id)?.at;
    if (at !== undefined) isShut[at] = 1;
  }
  if (closed.size > 0) forest.missing.forEach(({ id }, i) => (isShut[forest.columns.size + i] = closed.has(id) ? 1 : 0));
  isShut.fill(1, firstRepeat);
  if (opened.size > 0) forest.repeats.forEach(({ id }, i) => (isShut[firstRepeat + i] = opened.has(id) ? 0 : 1));
  return isShut;
}
