import { expect, test } from 'vitest';

import { differing, differs, merge, withAncestors } from '../src/compare/merge';
import { forestOf, span, spans } from './spans';

const forest = (text: string) => forestOf(spans(text));
const named = (id: string, parent: string, name: string, start: number, end: number) => span(id, parent, start, end, { name });

/** A row as text: depth, name, spans of both sides, difference, own difference. */
const written = (left: ReturnType<typeof forestOf>, right: ReturnType<typeof forestOf>) =>
  merge(left, right).pairs.map(({ depth, name, left: a, right: b, difference, own }) => `${'  '.repeat(depth)}${name} ${a.spans}:${b.spans} ${difference} ${own}`);

test('like spans below like parents are pairs; the difference stands where it began', () => {
  expect(written(forest('root 0 100; a of root 0 40; b of root 40 90; c of b 50 60'), forest('root 0 180; a of root 0 40; b of root 40 170; c of b 50 140'))).toEqual([
    'root 1:1 80 0',
    '  a 1:1 0 0',
    '  b 1:1 80 0',
    '    c 1:1 80 80',
  ]);
});

test('what only one side has stands where it is there', () => {
  expect(written(forest('root 0 100; a of root 0 40; c of root 50 60'), forest('root 0 100; a of root 0 40; new of root 40 45; c of root 50 60'))).toEqual(['root 1:1 0 -5', '  a 1:1 0 0', '  new 0:1 5 5', '  c 1:1 0 0']);
  expect(written(forest('root 0 100; gone of root 0 40'), forest('root 0 100'))).toEqual(['root 1:1 0 40', '  gone 1:0 -40 -40']);
});

test('a loop that ran more often is one row', () => {
  const once = forestOf([...spans('root 0 100'), named('x1', 'root', 'SELECT', 0, 10)]);
  const often = forestOf([...spans('root 0 100'), ...Array.from({ length: 9 }, (_, at) => named(`x${at}`, 'root', 'SELECT', at * 10, at * 10 + 10))]);
  expect(written(once, often)).toEqual(['root 1:1 0 -80', '  SELECT 1:9 80 80']);
});

test('spans of other services and of missing parents have rows of their own', () => {
  const other = forestOf([span('root', null, 0, 9, { service: 'users' })]);
  expect(merge(forest('root 0 9'), other).pairs.map(({ station, left, right }) => [station, left.spans, right.spans])).toEqual([
    ['users', 0, 1],
    ['gateway', 1, 0],
  ]);
  expect(written(forest('lost of nobody 0 9'), forest('lost of nobody 0 9'))).toEqual(['lost 1:1 0 0']);
});

test('only what differs, each with those above it', () => {
  const { pairs } = merge(forest('root 0 100; a of root 0 40; b of root 40 90; c of b 50 60'), forest('root 0 180; a of root 0 40; b of root 40 170; c of b 50 140!'));
  expect(withAncestors(pairs, (pair) => differs(pair, 10)).map(({ name }) => name)).toEqual(['root', 'b', 'c']);
  expect(withAncestors(pairs, () => false)).toEqual([]);
});

test('attributes that differ, of the span and of its process', () => {
  const left = span('a', null, 0, 1, { attributes: { 'app.user_id': 'ana', same: [1], gone: true }, resource: { 'service.version': '1' } });
  const right = span('a', null, 0, 1, { attributes: { 'app.user_id': 'bo', same: [1], new: 3 }, resource: { 'service.version': '2' } });
  expect(differing(left, right).map(({ key, left: a, right: b }) => `${key} ${a} ${b}`)).toEqual(['app.user_id ana bo', 'gone true null', 'new null 3', 'service.version 1 2']);
  expect(differing(left, left)).toEqual([]);
});
