// Where the nodes of a map stand: in columns from who calls to who is called. Pure.

export interface Placed {
  readonly id: number;
  /** Column and place in it, from the top; both count from 0. Columns are centred, so places may be halves. */
  readonly column: number;
  readonly place: number;
}

export interface Layout {
  readonly nodes: ReadonlyMap<number, Placed>;
  /** The places that a call over several columns passes in those between, by `callKey`. */
  readonly bends: ReadonlyMap<string, readonly number[]>;
  readonly columns: number;
  /** Places in the tallest column. */
  readonly places: number;
}

/** How often the columns are sorted by their neighbours; drawings of this size settle in two or three rounds. */
const ROUNDS = 4;

/**
 * A node stands one column to the right of the last of its callers, one that nobody calls beside the first that it
 * calls. Calls that go round in a circle are left out where they close it; the order in which `ids` come decides which.
 * Within a column a node stands near its neighbours, and a call over several columns has a place of its own in each, so
 * that no line runs through a node.
 */
export function layout(ids: readonly number[], calls: readonly (readonly [from: number, to: number])[]): Layout {
  const after = new Map<number, number[]>(ids.map((id) => [id, []]));
  const before = new Map<number, number[]>(ids.map((id) => [id, []]));
  for (const [from, to] of calls) {
    if (from === to || !after.has(from) || !after.has(to)) continue;
    after.get(from)!.push(to);
    before.get(to)!.push(from);
  }
  const forward = withoutCircles(ids, after, before);
  const column = new Map<number, number>(ids.map((id) => [id, 0]));
  // In this order everyone comes after its callers.
  for (const id of forward.order) {
    for (const next of forward.after.get(id) ?? []) column.set(next, Math.max(column.get(next)!, column.get(id)! + 1));
  }
  for (const id of forward.order) {
    const callees = forward.after.get(id)!;
    if (before.get(id)!.length === 0 && callees.length > 0) column.set(id, Math.min(...callees.map((callee) => column.get(callee)!)) - 1);
  }

  // Corners of long calls stand in the columns as nodes do, with numbers below all of theirs.
  const columns: number[][] = [];
  for (const id of forward.order) (columns[column.get(id)!] ??= []).push(id);
  const near = new Map<number, { before: number[]; after: number[] }>(ids.map((id) => [id, { before: [], after: [] }]));
  const corners = new Map<string, number[]>();
  let corner = Math.min(0, ...ids);
  const isCorner = (id: number) => !after.has(id);
  const join = (from: number, to: number) => {
    near.get(from)!.after.push(to);
    near.get(to)!.before.push(from);
  };
  for (const from of forward.order) {
    for (const to of forward.after.get(from)!) {
      let last = from;
      const passed: number[] = [];
      for (let at = column.get(from)! + 1; at < column.get(to)!; at += 1) {
        corner -= 1;
        near.set(corner, { before: [], after: [] });
        columns[at]!.push(corner);
        passed.push(corner);
        join(last, corner);
        last = corner;
      }
      join(last, to);
      if (passed.length > 0) corners.set(callKey(from, to), passed);
    }
  }

  const heights = columns.map((each) => each.reduce((sum, id) => sum + (isCorner(id) ? CORNER : 1), 0));
  const tallest = Math.max(1, ...heights);
  const at = new Map<number, number>();
  const settle = () =>
    columns.forEach((each, index) => {
      let top = (tallest - heights[index]!) / 2;
      for (const id of each) {
        const height = isCorner(id) ? CORNER : 1;
        at.set(id, top + (height - 1) / 2);
        top += height;
      }
    });
  settle();
  for (let round = 0; round < ROUNDS; round += 1) {
    for (const each of round % 2 === 0 ? columns : [...columns].reverse()) {
      const wish = new Map(each.map((id) => [id, mean(near.get(id)![round % 2 === 0 ? 'before' : 'after'].map((other) => at.get(other)!)) ?? at.get(id)!]));
      each.sort((a, b) => wish.get(a)! - wish.get(b)!);
      settle();
    }
  }
  const nodes = new Map(ids.map((id) => [id, { id, column: column.get(id)!, place: at.get(id)! }]));
  const bends = new Map([...corners].map(([key, passed]) => [key, passed.map((id) => at.get(id)!)]));
  return { nodes, bends, columns: columns.length, places: tallest };
}

/** What a corner needs of a node's height. */
const CORNER = 0.5;

/** How a call is named in `Layout.bends`. */
export function callKey(from: number, to: number): string {
  return `${from}-${to}`;
}

/** Who nobody calls first, then depth first; a call back to someone on the way is left out. */
function withoutCircles(ids: readonly number[], after: ReadonlyMap<number, number[]>, before: ReadonlyMap<number, number[]>) {
  const kept = new Map<number, number[]>(ids.map((id) => [id, []]));
  const state = new Map<number, 'open' | 'done'>();
  const done: number[] = [];
  const starts = [...ids].sort((a, b) => Number(before.get(a)!.length > 0) - Number(before.get(b)!.length > 0));
  for (const start of starts) {
    if (state.has(start)) continue;
    state.set(start, 'open');
    const stack = [{ id: start, next: 0 }];
    for (let top = stack.at(-1); top; top = stack.at(-1)) {
      const callee = after.get(top.id)![top.next];
      if (callee === undefined) {
        state.set(top.id, 'done');
        done.push(top.id);
        stack.pop();
        continue;
      }
      top.next += 1;
      if (state.get(callee) === 'open') continue;
      kept.get(top.id)!.push(callee);
      if (state.has(callee)) continue;
      state.set(callee, 'open');
      stack.push({ id: callee, next: 0 });
    }
  }
  return { order: done.reverse(), after: kept };
}

function mean(values: readonly number[]): number | null {
  return values.length === 0 ? null : values.reduce((sum, value) => sum + value, 0) / values.length;
}
