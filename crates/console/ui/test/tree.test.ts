import { expect, test } from 'vitest';

import type { Span } from '../src/shared/shapes';
import { ancestorsOf, buildForest, rowsOf } from '../src/trace/tree';
import type { Forest } from '../src/trace/tree';
import { span, spans } from './spans';

/** A tree as indented text: `-` for a span, `?` for a parent that has not arrived, `@` for a cut loop. */
function text(forest: Forest, closed: ReadonlySet<string> = new Set()): string {
  return rowsOf(forest, closed)
    .map(({ depth, node, missing }) => `${'  '.repeat(depth)}${missing ? `? ${missing.parentSpanId}` : `${node?.place === 'loop' ? '@' : '-'} ${node?.id}`}`)
    .join('\n');
}

const check = (given: string, expected: string) => expect(text(buildForest(spans(given)))).toBe(expected);

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
  expect(text(buildForest(arrived))).toBe(text(buildForest([...arrived].reverse())));
  expect(text(buildForest(arrived.slice(0, 2)))).toBe('? root\n  - a\n    - b');
});

test('a span that comes twice is drawn once, and the first copy stays', () => {
  const [root, first] = spans('root 0 100; a of root 10 20') as [Span, Span];
  const forest = buildForest([root, first, { ...first, name: 'again' }, root]);
  expect(text(forest)).toBe('- root\n  - a');
  expect(forest.byId.get('a')?.span.name).toBe('a');
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
    const forest = buildForest(strewn);
    expect(forest.nodes.map(({ id }) => id).sort()).toEqual(strewn.map(({ span_id }) => span_id).sort());
    const drawn = rowsOf(forest, new Set()).filter(({ node }) => node !== null);
    expect(drawn).toHaveLength(size);
  }
});

test('closing a span hides what is below it and says how much that is', () => {
  const forest = buildForest(spans('root 0 100; a of root 10 20; b of a 12 15!; c of root 30 40'));
  expect(text(forest, new Set(['a']))).toBe('- root\n  - a\n  - c');
  expect(forest.byId.get('a')).toMatchObject({ below: 1, failedBelow: 1 });
  expect(forest.byId.get('root')).toMatchObject({ below: 3, failedBelow: 1 });
  expect(text(buildForest(spans('x of lost 5 9')), new Set(['missing-lost']))).toBe('? lost');
});

test('the guides of a row say which ancestors go on below it', () => {
  const forest = buildForest(spans('root 0 100; a of root 10 20; b of a 12 15; c of root 30 40; d of c 31 32'));
  expect(rowsOf(forest, new Set()).map(({ guides }) => guides)).toEqual(['', 'T', 'IL', 'L', ' L']);
});

test('what has to be open for a span to be seen', () => {
  expect(ancestorsOf(buildForest(spans('root 0 9; a of root 1 8; b of a 2 7')), 'b')).toEqual(['a', 'root']);
  expect(ancestorsOf(buildForest(spans('a of lost 1 8; b of a 2 7')), 'b')).toEqual(['a', 'missing-lost']);
  expect(ancestorsOf(buildForest([]), 'b')).toEqual([]);
});

test('100,000 spans, wide or deeper than any stack', () => {
  const size = 100_000;
  const wide = Array.from({ length: size }, (_, index) => span(`s${index}`, index === 0 ? null : `s${Math.floor((index - 1) / 8)}`, index, index + 10));
  const deep = Array.from({ length: size }, (_, index) => span(`s${index}`, index === 0 ? null : `s${index - 1}`, index, size));
  for (const given of [wide, deep]) {
    const forest = buildForest(given);
    expect(forest.nodes).toHaveLength(size);
    expect(forest.roots[0]?.below).toBe(size - 1);
    expect(rowsOf(forest, new Set())).toHaveLength(size);
  }
});
