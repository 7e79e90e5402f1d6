import { describe, expect, test } from 'vitest';

import { amount, axis, boxOf, cellAt, change, edgeMarks, linePath, placeOf, strength, timeMarks } from '../src/query/chart';
import { addVisit } from '../src/query/history';
import { percent, rank, telling } from '../src/query/rank';
import { FIRST, filterOf, meant, readState, shifted, tidy, withBreakdowns, withCalculations, withFilter, withRange, withTime, writeState } from '../src/query/spec';
import type { State } from '../src/query/spec';
import { compact, parseCalculation, parseFilter, parseHaving, parseNamed, parseOrder, printCalculation, printFilter, printHaving, printOrder, suggestCalculation, suggestColumns, suggestFilter, valuesWanted } from '../src/query/text';
import type { Column } from '../src/query/text';

const COLUMNS: readonly Column[] = [
  { name: 'name', type: 'string', count: 900 },
  { name: 'service.name', type: 'string', count: 900 },
  { name: 'duration_ms', type: 'float', count: 900 },
  { name: 'http.response.status_code', type: 'integer', count: 300 },
  { name: 'http.route', type: 'string', count: 200 },
  { name: 'error', type: 'boolean', count: 3 },
];
const typeOf = (name: string) => COLUMNS.find((each) => each.name === name)?.type;

describe('the address holds the query', () => {
  const states: State[] = [
    { spec: FIRST, dataset: null, box: null, tab: 'groups', scale: null },
    { spec: { calculations: [{ op: 'COUNT' }], filters: [{ column: 'a b', op: 'in', value: ['x,y', 2, true] }], start_time: 10, end_time: 20 }, dataset: 'gateway', box: { column: 'a,b', min: 0.5, max: 1e6, start: 10, end: 20.5 }, tab: 'traces', scale: 'log' },
  ];
  test.each(states)('there and back', (state) => expect(readState(writeState(state))).toEqual({ ...state, problem: null }));

  test('an address without a query has the first one; a broken one says so', () => {
    expect(readState('/query')).toMatchObject({ spec: FIRST, problem: null });
    expect(readState('/query?query={').problem).toMatch(/no JSON object/);
    expect(readState('/query?query=[]').problem).toMatch(/no JSON object/);
    expect(readState('/query?box=1,2,9,3,a').box).toBeNull();
  });
});

test.each([
  ['http.route = /api/x', { column: 'http.route', op: '=', value: '/api/x' }],
  ['http.route=/api/x', { column: 'http.route', op: '=', value: '/api/x' }],
  ['duration_ms >= 1.5', { column: 'duration_ms', op: '>=', value: 1.5 }],
  ['duration_ms > 2 s', { column: 'duration_ms', op: '>', value: 2_000 }],
  ['error = true', { column: 'error', op: '=', value: true }],
  ['error exists', { column: 'error', op: 'exists' }],
  ['name = 404', { column: 'name', op: '=', value: '404' }],
  ['unknown = 404', { column: 'unknown', op: '=', value: 404 }],
  ['unknown = "404"', { column: 'unknown', op: '=', value: '404' }],
  ['name contains 40', { column: 'name', op: 'contains', value: '40' }],
  ['name in GET /, "a, b"', { column: 'name', op: 'in', value: ['GET /', 'a, b'] }],
  ['"my key" != a b', { column: 'my key', op: '!=', value: 'a b' }],
])('%s', (text, filter) => {
  expect(parseFilter(text, typeOf)).toEqual({ ok: filter });
  const printed = printFilter(filter);
  expect(parseFilter(printed, typeOf)).toEqual({ ok: filter });
});

test.each(['', 'name', 'name ', 'name lik', 'name =', 'error exists 1', 'name in '])('"%s" is no condition yet', (text) => expect(parseFilter(text, typeOf)).toHaveProperty('missing'));

test('suggestions follow what is typed', () => {
  const labels = (text: string, values: { value: string; count: number }[] = []) => suggestFilter(text, COLUMNS, values).map(({ label }) => label);
  expect(labels('na')).toEqual(['name', 'service.name']);
  expect(labels('status')).toEqual(['http.response.status_code']);
  expect(labels('error ')).toEqual(['=', '!=', 'exists', 'does-not-exist']);
  expect(labels('name st')).toEqual(['starts-with']);
  const values = [{ value: 'gateway', count: 9 }, { value: 'users', count: 3 }];
  expect(labels('service.name = ', values)).toEqual(['gateway', 'users']);
  expect(labels('service.name = us', values)).toEqual(['users']);
  expect(labels('service.name contains us', values)).toEqual([]);
  expect(suggestFilter('service.name in gateway, u', COLUMNS, values)[0]?.text).toBe('service.name in gateway, users');
  expect(valuesWanted('service.name = ga')).toEqual({ column: 'service.name', prefix: 'ga' });
  expect(valuesWanted('service.na')).toBeNull();
  expect(suggestCalculation('p9', COLUMNS).map(({ text }) => text)).toEqual(['P95(', 'P99(', 'P90(', 'P999(']);
  expect(suggestCalculation('P95(dur', COLUMNS).map(({ text }) => text)).toEqual(['P95(duration_ms)']);
  expect(suggestColumns('name', COLUMNS).map(({ text }) => text)).toEqual(['name', 'service.name']);
});

test('calculations, orders, conditions on results, fields', () => {
  expect(parseCalculation('p95 duration_ms')).toEqual({ ok: { op: 'P95', column: 'duration_ms' } });
  expect(parseCalculation('count')).toEqual({ ok: { op: 'COUNT' } });
  for (const text of ['', 'P95', 'MEDIAN(x)', 'CONCURRENCY(x)']) expect(parseCalculation(text)).toHaveProperty('missing');
  for (const text of ['COUNT', 'P95(duration_ms)', 'HEATMAP(a.b)']) expect(parseCalculation(text)).toMatchObject({ ok: expect.anything() });
  expect(printCalculation({ op: 'COUNT', name: 'failed', filters: [{ column: 'error', op: '=', value: true }] })).toBe('COUNT where error = true as failed');
  for (const text of ['COUNT desc', 'P95(duration_ms) asc', 'http.route asc']) {
    const order = parseOrder(text);
    expect('ok' in order && printOrder(order.ok)).toBe(text);
  }
  expect(parseOrder('COUNT')).toEqual({ ok: { op: 'COUNT', order: 'descending' } });
  const having = parseHaving('P95(duration_ms) >= 1.5');
  expect('ok' in having && printHaving(having.ok)).toBe('P95(duration_ms) >= 1.5');
  expect(parseHaving('COUNT >')).toHaveProperty('missing');
  expect(parseNamed('slow = GT($duration_ms, 100)')).toEqual({ ok: { name: 'slow', expression: 'GT($duration_ms, 100)' } });
});

test('what is taken away takes its orders along', () => {
  const spec = { ...FIRST, havings: [{ calculate_op: 'COUNT', op: '>', value: 3 }] };
  expect(withCalculations(spec, [{ op: 'P95', column: 'duration_ms' }])).toMatchObject({ orders: [], havings: [] });
  expect(withBreakdowns({ breakdowns: ['a', 'b'], orders: [{ column: 'a' }, { column: 'b' }, { op: 'COUNT' }] }, ['b'])).toEqual({ breakdowns: ['b'], orders: [{ column: 'b' }, { op: 'COUNT' }] });
});

test('of two calculations alike an order means the one without a name', () => {
  const failed = { op: 'COUNT', name: 'failed' };
  expect(meant({ calculations: [failed, { op: 'COUNT' }] }, { op: 'COUNT' })).toEqual({ op: 'COUNT' });
  expect(meant({ calculations: [failed] }, { op: 'COUNT' })).toEqual(failed);
  expect(meant({ calculations: [failed] }, { op: 'MAX', column: 'rows' })).toBeUndefined();
});

test('a condition replaces its opposite and is not doubled', () => {
  const is = filterOf('a', 1);
  const not = filterOf('a', 1, '!=');
  expect(withFilter({ filters: [is] }, not).filters).toEqual([not]);
  expect(withFilter({ filters: [is] }, is).filters).toEqual([is]);
  expect(withFilter({ filters: [filterOf('a', null)] }, filterOf('a', null, '!=')).filters).toEqual([{ column: 'a', op: 'exists' }]);
});

test('times', () => {
  expect(withTime({ time_range: 60, granularity: 5 }, 10.7, 20.2)).toEqual({ start_time: 10, end_time: 21 });
  expect(withTime({}, 10.1, 10.2)).toEqual({ start_time: 10, end_time: 11 });
  expect(withRange({ start_time: 1, end_time: 2, granularity: 1 }, 600)).toEqual({ time_range: 600 });
  expect(shifted({ time_range: 60 }, { start: 100, end: 160 }, -1)).toEqual({ start_time: 70, end_time: 130 });
  expect(withRange({ compare_time_offset_seconds: 3_600 }, 7_200)).toEqual({ time_range: 7_200 });
  expect(withRange({ compare_time_offset_seconds: 3_600 }, 600)).toEqual({ time_range: 600, compare_time_offset_seconds: 3_600 });
  expect(tidy({ filters: [], limit: 5 })).toEqual({ limit: 5 });
});

test('an axis has round marks that hold every value', () => {
  expect(axis(0, 8, 4).marks).toEqual([0, 2, 4, 6, 8]);
  expect(axis(0, 0, 4)).toEqual({ marks: [0], from: 0, to: 1 });
  for (const [least, largest] of [[0, 0.3], [-5, 17], [0, 123_456], [0, 1e-7]] as const) {
    const { marks, from, to } = axis(least, largest, 4);
    expect(from).toBeLessThanOrEqual(least);
    expect(to).toBeGreaterThanOrEqual(largest * 0.999);
    expect(marks.length).toBeLessThanOrEqual(7);
  }
  expect(timeMarks(100, 400, 5)).toEqual([120, 180, 240, 300, 360]);
  expect(timeMarks(0, 7_200, 2, 1_800)).toEqual([1_800, 5_400]);
  expect(edgeMarks([1, 2, 3, 4, 5, 6, 7], 3)).toEqual([0, 2, 4, 6]);
});

test('values in words', () => {
  expect([amount(1.5, 'P95(duration_ms)'), amount(1_500, 'duration_ms'), amount(1_500, 'COUNT_DISTINCT(duration_ms)'), amount(null, 'COUNT'), amount(0, 'duration_ms')]).toEqual(['1.5 ms', '1.5 s', '1,500', '–', '0']);
  expect([change(10, 10), change(10, 11.2), change(10, 9), change(0, 4), change(2, 9)]).toEqual(['=', '+12 %', '−10 %', 'new', '×4.5']);
  expect([0.1234, 12.345, 999, 12_345, 1_234_567].map(compact)).toEqual(['0.123', '12.3', '999', '12.3k', '1.23M']);
});

test('a line breaks where there is no value', () => {
  expect(linePath([1, 2, null, 3], (at) => at, (value) => value)).toEqual({ line: 'M0.0 1.0L1.0 2.0', lone: 'M3.0 3.0h.01' });
});

describe('a heatmap', () => {
  const heatmap = { column: 'duration_ms', scale: 'log' as const, edges: [1, 10, 100, 1_000], times: [60, 90, 120, 150], counts: [[1, 0, 0], [0, 2, 0], [0, 0, 1], [5, 0, 0]] };

  test('the cell under the pointer, also at the very edges', () => {
    expect(cellAt(heatmap, 0, 0)).toEqual({ time: 0, bin: 0 });
    expect(cellAt(heatmap, 1, 1)).toEqual({ time: 3, bin: 2 });
    expect(cellAt(heatmap, 0.5, 0.4)).toEqual({ time: 2, bin: 1 });
    expect(cellAt(heatmap, -1, 7)).toEqual({ time: 0, bin: 2 });
  });

  test('a rectangle of cells is a box of values and times, and is drawn where it was', () => {
    const box = boxOf(heatmap, { fromTime: 1, toTime: 2, fromBin: 0, toBin: 1 }, 30);
    expect(box).toEqual({ column: 'duration_ms', min: 1, max: 100, start: 90, end: 150 });
    expect(placeOf(heatmap, box, 30)).toEqual({ left: 0.25, right: 0.75, bottom: 0, top: 2 / 3 });
    const top = boxOf(heatmap, { fromTime: 0, toTime: 0, fromBin: 2, toBin: 2 }, 30);
    expect(top.max).toBeGreaterThan(1_000);
    expect(placeOf(heatmap, { ...box, start: 900, end: 960 }, 30)).toBeNull();
    expect(placeOf(heatmap, { ...box, column: 'other' }, 30)).toBeNull();
  });

  test('one span beside thousands is still seen', () => {
    expect(strength(0, 5_000)).toBe(0);
    expect(strength(1, 5_000)).toBeGreaterThan(0.15);
    expect(strength(5_000, 5_000)).toBe(1);
    expect(strength(1, 1)).toBe(1);
  });
});

test('what differs most comes first, and with it what is frequent inside', () => {
  const even = { column: 'even', score: 0, values: [{ value: 1, inside: 1, outside: 1 }] };
  const user = { column: 'user', score: 0.9, values: [{ value: 'a', inside: 0.05, outside: 0.9 }, { value: 'b', inside: 0.95, outside: 0.05 }, { value: 'c', inside: 0, outside: 0.05 }] };
  const route = { column: 'route', score: 0.4, values: [] };
  expect(rank([route, even, user]).map(({ column }) => column)).toEqual(['user', 'route']);
  expect(telling(user).map(({ value }) => value)).toEqual(['b', 'c', 'a']);
  expect([0, 0.004, 0.5, 0.996, 1].map(percent)).toEqual(['0 %', '<1 %', '50 %', '>99 %', '100 %']);
});

test('the history holds each query once, the newest first', () => {
  const visit = (words: string, at: number) => ({ address: `/query?${at}`, words, at });
  const visits = [visit('a', 1), visit('b', 2), visit('a', 3)].reduce<ReturnType<typeof addVisit>>(addVisit, []);
  expect(visits.map(({ words, at }) => [words, at])).toEqual([['a', 3], ['b', 2]]);
});
