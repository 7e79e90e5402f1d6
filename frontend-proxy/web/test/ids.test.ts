import { expect, test } from 'vitest';

import { EpochFirstIds, parseRatio, xrayTraceId } from '../src/ids';

const ids = new EpochFirstIds();

test('a trace id is 32 hex digits and begins with the time', () => {
  const before = Math.floor(Date.now() / 1000);
  const id = ids.generateTraceId();
  expect(id).toMatch(/^[0-9a-f]{32}$/);
  const seconds = Number.parseInt(id.slice(0, 8), 16);
  expect(seconds).toBeGreaterThanOrEqual(before);
  expect(seconds).toBeLessThanOrEqual(Math.floor(Date.now() / 1000));
});

test('ids differ', () => {
  const many = Array.from({ length: 1000 }, () => [ids.generateTraceId(), ids.generateSpanId()]).flat();
  expect(new Set(many).size).toBe(many.length);
});

test('a span id is 16 hex digits', () => {
  expect(ids.generateSpanId()).toMatch(/^[0-9a-f]{16}$/);
});

test("X-Ray's spelling", () => {
  expect(xrayTraceId('5759e988bd862e3fe1be46a994272793')).toBe('1-5759e988-bd862e3fe1be46a994272793');
});

test.each([
  [undefined, 1],
  ['', 1],
  ['1', 1],
  ['0', 0],
  ['0.05', 0.05],
  ['1.5', 1],
  ['-1', 1],
  ['many', 1],
  ['NaN', 1],
])('a sampling ratio of %j is %d', (text, expected) => {
  expect(parseRatio(text)).toBe(expected);
});
