import { expect, test } from 'vitest';

import type { Span } from '../src/shared/shapes';
import { columnsOfBrief } from '../src/trace/columns';
import { rowsOf } from '../src/trace/rows';
import { ancestorsOf, Forest } from '../src/trace/tree';
import { forestOf, span, spans } from './spans';

/** A tree as indented text: `-` for a span, `?` for a parent that has not arrived, `@` for a cut loop. */
function text(forest: Forest, closed: ReadonlySet<string> = new Set()): string {
  return [...rowsOf(forest, { closed })]
    .map(({ depth, node, missing }) => `${'  '.repeat(depth)}${missing ? `? ${missing.parentSpanId}` : `${node?.place === 'loop' ? '@' : '-'} ${node?.id}`}`)
    .join('\n');
}

const check = (given: string, expected: string) => expect(text(forestOf(spans(given)))).toBe(expected);

test('children hang below their parents, in order of start', () =>
  check(
    'root 0 100; c of root 30 40; a of root 10 20; b of a 12 15',
    `- root
  - a
    - b
  - c`,
  ));

test('a span that comes late finds its place, whatever the order of arrival', () => {
  const arrived = spans('b of a 12 15; a of root 10 20; root 0 100');
  expect(text(forestOf(arrived))).toBe(text(forestOf([...arrived].reverse())));
  expect(text(forestOf(arrived.slice(0, 2)))).toBe('? root\n  - a\n    - b');
});

test('a span that comes twice is drawn once, and the first copy stays', () => {
  const [root, first] = spans('root 0 100; a of root 10 20') as [Span, Span];
  const forest = forestOf([root, first, { ...first, name: 'again' }, root]);
  expect(text(forest)).toBe('- root\n  - a');
  expect(forest.get('a')?.span.name).toBe('a');
});

test('orphans stand below a row for the parent that has not arrived, after the roots', () =>
  check(
    'x of lost 5 9; y of lost 6 7; z of gone 1 2; root 10 20; deep of x 6 7',
    `- root
? gone
  - z
? lost
  - x
    - deep
  - y`,
  ));

test('two roots are both shown', () => check('a 0 10; b 5 20; c of b 6 7', '- a\n- b\n  - c'));

test('a loop is cut open at its earliest span', () => {
  check('a of c 5 9; b of a 6 8; c of b 7 8; below of b 7 8', '@ a\n  - b\n    - c\n    - below');
  check('self of self 0 1', '@ self');
  check('root 0 9; a of b 1 2; b of a 2 3', '- root\n@ a\n  - b');
  // The way into the loop starts before the loop does.
  check('tail of a 0 9; a of b 2 3; b of a 1 2', '@ b\n  - a\n    - tail');
});

test('nothing is lost and nothing is drawn twice, however parents are strewn', () => {
  let seed = 7;
  const next = (below: number) => (seed = (seed * 1_103_515_245 + 12_345) % 2_147_483_648) % below;
  for (let round = 0; round < 200; round += 1) {
    const size = 1 + next(12);
    const strewn = Array.from({ length: size }, (_, index) => span(`s${index}`, next(3) === 0 ? null : `s${next(size + 2)}`, next(50), 50 + next(50)));
    const forest = forestOf(strewn);
    expect(forest.nodes.map(({ id }) => id).sort()).toEqual(strewn.map(({ span_id }) => span_id).sort());
    const drawn = [...rowsOf(forest, { closed: new Set() })].filter(({ node }) => node !== null);
    expect(drawn).toHaveLength(size);
  }
});

test('closing a span hides what is below it and says how much that is', () => {
  const forest = forestOf(spans('root 0 100; a of root 10 20; b of a 12 15!; c of root 30 40'));
  expect(text(forest, new Set(['a']))).toBe('- root\n  - a\n  - c');
  expect(forest.get('a')).toMatchObject({ below: 1, failedBelow: 1 });
  expect(forest.get('root')).toMatchObject({ below: 3, failedBelow: 1 });
  expect(text(forestOf(spans('x of lost 5 9')), new Set(['missing-lost']))).toBe('? lost');
});

test('the guides of a row say which ancestors go on below it', () => {
  const forest = forestOf(spans('root 0 100; a of root 10 20; b of a 12 15; c of root 30 40; d of c 31 32'));
  expect([...rowsOf(forest, { closed: new Set() })].map(({ guides }) => guides)).toEqual(['', 'T', 'IL', 'L', ' L']);
});

test('what has to be open for a span to be seen', () => {
  expect(ancestorsOf(forestOf(spans('root 0 9; a of root 1 8; b of a 2 7')), 'b')).toEqual(['a', 'root']);
  expect(ancestorsOf(forestOf(spans('a of lost 1 8; b of a 2 7')), 'b')).toEqual(['a', 'missing-lost']);
  expect(ancestorsOf(forestOf([]), 'b')).toEqual([]);
});

test('100,000 spans, wide or deeper than any stack', () => {
  const size = 100_000;
  const wide = Array.from({ length: size }, (_, index) => span(`s${index}`, index === 0 ? null : `s${Math.floor((index - 1) / 8)}`, index, index + 10));
  const deep = Array.from({ length: size }, (_, index) => span(`s${index}`, index === 0 ? null : `s${index - 1}`, index, size));
  for (const given of [wide, deep]) {
    const forest = forestOf(given);
    expect(forest.nodes).toHaveLength(size);
    expect(forest.roots[0]?.below).toBe(size - 1);
    expect(rowsOf(forest, { closed: new Set() })).toHaveLength(size);
  }
});

test('many siblings of one name are one row until it is opened, in the place of the first', () => {
  const many = Array.from({ length: 6 }, (_, index) => span(`q${index}`, 'root', 10 + 2 * index, 11 + 2 * index, { name: 'SELECT users' }));
  const forest = forestOf([...spans('root 0 100; a of root 5 6; b of root 13 14; below of q2 14 15'), ...many]);
  const drawn = (opened: ReadonlySet<string>) => [...rowsOf(forest, { closed: new Set(), opened })].map(({ id, depth }) => `${id}:${depth}`);
  expect(drawn(new Set())).toEqual(['root:0', 'a:1', 'repeat-q0:1', 'b:1']);
  expect(drawn(new Set(['repeat-q0']))).toEqual(['root:0', 'a:1', 'repeat-q0:1', 'q0:2', 'q1:2', 'q2:2', 'below:3', 'q3:2', 'q4:2', 'q5:2', 'b:1']);
  expect(ancestorsOf(forest, 'below')).toEqual(['q2', 'repeat-q0', 'root']);
  expect(rowsOf(forestOf(many.slice(0, 4)), { closed: new Set() })).toHaveLength(5);
});

test('what was said stands below the span that said it, before its children', () => {
  const forest = forestOf(spans('root 0 100; a of root 10 20; b of root 30 40'));
  const note = (id: string, spanId: string) => ({ id, kind: 'log' as const, spanId, time: 5, severity: 'info' as const, text: '' });
  const notes = new Map([
    ['root', [note('n1', 'root'), note('n2', 'root')]],
    ['b', [note('n3', 'b')]],
  ]);
  expect([...rowsOf(forest, { closed: new Set(), notes })].map(({ id, depth, guides }) => `${id}:${depth}:${guides}`)).toEqual(['root:0:', 'n1:1:I', 'n2:1:I', 'a:1:T', 'b:1:L', 'n3:2:  ']);
  expect([...rowsOf(forest, { closed: new Set(['root']), notes })].map(({ id }) => id)).toEqual(['root', 'n1', 'n2']);
});

test('a very large trace comes as columns, and is the same tree', () => {
  const drawn = spans('root 0 100; a of root 10 20!; b of a 12 15; x of lost 5 9');
  const id = (name: string | null) => (name === null ? '0' : (name.length * 256 + name.charCodeAt(0)).toString(16)).padStart(16, 'f').replace(/^f*0$/, '0'.repeat(16));
  const part = (of: readonly Span[]) => ({
    span_id: of.map(({ span_id }) => id(span_id)).join(''),
    parent_span_id: of.map(({ parent_span_id }) => id(parent_span_id)).join(''),
    name: of.map((_, at) => at),
    service: of.map(() => 0),
    kind: of.map(() => 1),
    status: of.map(({ status }) => (status === 'error' ? 2 : 0)),
    start: of.map(({ start_unix_nano }) => start_unix_nano),
    duration: of.map(({ duration_nano }) => duration_nano),
    names: of.map(({ name }) => name),
    services: ['gateway'],
    status_message: Object.fromEntries(of.flatMap(({ status }, at) => (status === 'error' ? [[at, 'boom']] : []))),
  });
  const sorted = [...drawn].sort((a, b) => a.start_unix_nano - b.start_unix_nano);
  const head = { trace_id: 't', xray_trace_id: '', start_unix_nano: 1_000, duration_nano: 100, span_count: 4, pruned_unix_nano: null };
  // A part that came again, as after a retry, changes nothing.
  const forest = new Forest(columnsOfBrief({ ...head, columns: [part(sorted.slice(0, 2)), part(sorted.slice(2)), part(sorted.slice(0, 1))] }));
  expect([...rowsOf(forest, { closed: new Set() })].map(({ depth, node }) => '  '.repeat(depth) + (node?.span.name ?? '?'))).toEqual(['root', '  a', '    b', '?', '  x']);
  expect(forest.get(id('a'))).toMatchObject({ below: 1, span: { service: 'gateway', kind: 'internal', status: 'error', status_message: 'boom', start_unix_nano: 1_010 } });
  expect([forest.failed, forest.size, forest.get('nobody'), forest.get(id('b'))?.parent?.id]).toEqual([1, 4, undefined, id('a')]);
});
