import { describe, expect, test } from 'vitest';

import { callKey, layout } from '../src/xray/layout';
import { bars, between, both, edgeFilter, outcome, percentile, refine, refiners, serviceFilter, stumble } from '../src/xray/model';
import type { Document, TraceSummary } from '../src/xray/model';
import { documentsOf, timeline } from '../src/xray/timeline';

describe('the map', () => {
  const columns = (...[ids, calls]: Parameters<typeof layout>) => {
    const { nodes } = layout(ids, calls);
    return ids.map((id) => nodes.get(id)?.column);
  };

  test('who is called stands right of all who call it', () => {
    expect(columns([1, 2, 3, 4], [[1, 2], [2, 3], [1, 3], [3, 4]])).toEqual([0, 1, 2, 3]);
  });

  test('who nobody calls stands beside who it calls first', () => {
    expect(columns([1, 2, 3, 9], [[1, 2], [2, 3], [9, 3]])).toEqual([0, 1, 2, 1]);
  });

  test('a circle is cut open, a call to itself is none, one to a stranger neither', () => {
    expect(columns([1, 2, 3], [[1, 2], [2, 3], [3, 1], [2, 2], [3, 7]])).toEqual([0, 1, 2]);
    expect(columns([5, 6], [[5, 6], [6, 5]])).toEqual([0, 1]);
  });

  test('a long call has a corner in each column that it passes, and no place of a column is taken twice', () => {
    const { nodes, bends, places } = layout([1, 2, 3, 4], [[1, 2], [2, 3], [3, 4], [1, 4]]);
    expect(bends.get(callKey(1, 4))).toHaveLength(2);
    expect([...nodes.values()].map(({ column }) => column)).toEqual([0, 1, 2, 3]);
    expect(bends.get(callKey(1, 4))?.[0]).not.toBe(nodes.get(2)?.place);
    expect(places).toBe(1.5);
  });

  test('nothing is a map too', () => expect(layout([], [])).toEqual({ nodes: new Map(), bends: new Map(), columns: 0, places: 1 }));
});

test.each([
  [{ fault: true, throttle: true, error: true }, 'fault'],
  [{ throttle: true, error: true }, 'throttle'],
  [{ error: true }, 'error'],
  [{}, 'ok'],
])('%j ended as %s', (flags, ended) => expect(outcome(flags)).toBe(ended));

test('percentiles and bars of response times', () => {
  const histogram = [
    { Value: 0.3, Count: 1 },
    { Value: 0.01, Count: 98 },
    { Value: 0.2, Count: 1 },
  ];
  expect([0.5, 0.98, 0.99, 1].map((share) => Math.round(percentile(histogram, share) / 1e6))).toEqual([10, 10, 200, 300]);
  expect(percentile([], 0.5)).toBe(0);
  expect(bars([1, 2, 3, 3], 2).map(({ count }) => count)).toEqual([1, 3]);
  expect(bars([0, 0], 3).map(({ count }) => count)).toEqual([2, 0, 0]);
  expect(bars([], 3)).toEqual([]);
});

test('filter expressions', () => {
  expect(serviceFilter({ Name: 'gateway' })).toBe('service("gateway")');
  expect(serviceFilter({ Name: 'orders', Type: 'AWS::Lambda::Function' }, 'fault')).toBe('service(id(name: "orders", type: "AWS::Lambda::Function")) { fault }');
  expect(edgeFilter({ Name: 'a' }, { Name: 'b' })).toBe('edge("a", "b")');
  expect(between(0.2000001, 0.4999999)).toBe('responsetime >= 0.2 AND responsetime <= 0.5');
  expect(both('', 'fault')).toBe('fault');
  expect(both('fault', 'user = "a"')).toBe('fault AND user = "a"');
  expect(both('fault AND user = "a"', 'fault')).toBe('fault AND user = "a"');
  expect(both('fault OR error', 'partial')).toBe('(fault OR error) AND partial');
});

test('where an expression is wrong', () => {
  expect(stumble('the filter expression is not valid at character 21: expected a value')).toEqual({ at: 21, problem: 'expected a value' });
  expect(stumble('StartTime must be a time before EndTime')).toBeNull();
});

test('what traces have in common', () => {
  const trace = (status: number, tier: string, time: number) =>
    ({ ResponseTime: time, HasFault: status >= 500, HasError: false, HasThrottle: false, Http: { HttpStatus: status }, Users: [], ServiceIds: [], Annotations: { 'app.tier': [{ AnnotationValue: { StringValue: tier } }] } }) as unknown as TraceSummary;
  const traces = [trace(200, 'gold', 1), trace(500, 'gold', 3), trace(200, 'free', 5)];
  const known = refiners(traces);
  expect(known.map(({ name }) => name)).toEqual(['Status', 'annotation app.tier']);
  expect(refine(traces, known[1]!)).toEqual([
    { value: 'gold', count: 2, average: 2e9, failed: 1, filter: 'annotation[app.tier] = "gold"' },
    { value: 'free', count: 1, average: 5e9, failed: 0, filter: 'annotation[app.tier] = "free"' },
  ]);
});

describe('segments in time', () => {
  const segment = (id: string, start: number, end: number | undefined, more: Partial<Document> = {}): Document => ({ id, name: id, start_time: start, ...(end !== undefined && { end_time: end }), ...more });
  /** `name:depth` of every line. */
  const lines = (documents: readonly Document[], closed?: ReadonlySet<string>) => timeline(documents, closed).lines.map(({ id, depth }) => `${id}:${depth}`);

  test('callees after their callers, whatever their clocks say; subsegments by their start', () => {
    const callee = segment('callee', 0, 2, { parent_id: 'call' });
    const caller = segment('caller', 1, 9, { subsegments: [segment('late', 6, 7), segment('call', 2, 5)] });
    expect(lines([callee, caller])).toEqual(['caller:0', 'call:1', 'late:1', 'callee:0']);
    expect(lines([callee, caller], new Set(['caller']))).toEqual(['caller:0', 'callee:0']);
  });

  test('segments of one node stand together, inferred ones are counted apart', () => {
    const drawn = timeline([segment('1', 0, 4, { name: 'db', origin: 'AWS::RDS', inferred: true }), segment('2', 1, undefined, { name: 'api' }), segment('3', 2, 3, { name: 'db', origin: 'AWS::RDS', inferred: true })]);
    expect(drawn.blocks.map(({ name, lines: { length } }) => [name, length])).toEqual([['db', 2], ['api', 1]]);
    expect(drawn).toMatchObject({ from: 0, to: 4, segments: 1, inferred: 2, subsegments: 0 });
  });

  test('who call each other in a circle, and an instant without length', () => {
    expect(lines([segment('a', 1, 1, { parent_id: 'b' }), segment('b', 1, 1, { parent_id: 'a' })]).sort()).toEqual(['a:0', 'b:0']);
    expect(timeline([segment('a', 1, 1)]).to).toBeGreaterThan(1);
    expect(timeline([])).toMatchObject({ from: 0, lines: [] });
  });

  test('a document that cannot be read is left out', () => {
    expect(documentsOf({ Id: '', Duration: 0, LimitExceeded: false, Segments: [{ Id: '', Document: '{' }, { Id: '', Document: '{"name":"a","start_time":1}' }] })).toHaveLength(1);
  });
});
