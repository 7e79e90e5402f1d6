import { describe, expect, test } from 'vitest';

import { hueNumber } from '../src/shared/colours';
import { criticalPath } from '../src/trace/critical';
import { database, detail, failure, groups, station, webAddress } from '../src/trace/describe';
import { ago, bytes, clock, duration, parseMilliseconds, ticks } from '../src/shared/format';
import { findTraceId, parseTraceId, xrayTraceId } from '../src/shared/ids';
import { match } from '../src/routes';
import { originOf, ownTime, pathOf } from '../src/trace/path';
import { search } from '../src/trace/search';
import { forestOf, span, spans } from './spans';

const ID = '68b329da9893e34099c7d8ad5cb9c940';
const XRAY = '1-68b329da-9893e34099c7d8ad5cb9c940';

test.each([
  [0, '0 ns'],
  [740, '740 ns'],
  [999, '999 ns'],
  [1_000, '1 µs'],
  [13_420, '13.4 µs'],
  [999_499, '999 µs'],
  [999_600, '1 ms'],
  [2_100_000, '2.1 ms'],
  [999_600_000, '1 s'],
  [1_254_000_000, '1.25 s'],
  [59_960_000_000, '1 min 0 s'],
  [125_000_000_000, '2 min 5 s'],
  [7_380_000_000_000, '2 h 3 min'],
])('%i ns is written %s', (nanos, text) => expect(duration(nanos)).toBe(text));

test('clocks and sizes', () => {
  const at = new Date(2026, 10, 21, 8, 31, 7, 204).getTime();
  expect(clock(at * 1e6, at)).toBe('08:31:07.204');
  expect(clock(at * 1e6, at + 86_400_000)).toBe('21 Nov 08:31:07');
  expect([0, 12, 240, 7_200, 200_000].map((seconds) => ago(at * 1e6, at + seconds * 1000))).toEqual(['now', '12 s ago', '4 min ago', '2 h ago', '2 d ago']);
  expect([900, 40_960, 2_147_483_648].map(bytes)).toEqual(['900 B', '40 KiB', '2 GiB']);
});

test.each([
  ['250', 250],
  ['250ms', 250],
  [' 1.5 s ', 1500],
  ['800us', 0.8],
  ['800 µs', 0.8],
  ['', null],
  ['-1', null],
  ['1e9', null],
  ['fast', null],
])('"%s" as milliseconds is %s', (text, expected) => expect(parseMilliseconds(text)).toBe(expected));

test('a ruler has round marks within its ends', () => {
  expect(ticks(0, 36_600_000, 6)).toEqual([0, 10_000_000, 20_000_000, 30_000_000]);
  expect(ticks(7, 12, 6)).toEqual([7, 8, 9, 10, 11, 12]);
  expect(ticks(0, 0, 6)).toEqual([0]);
  for (const length of [1, 3, 999, 12_345_678, 86_400e9]) expect(ticks(0, length, 6).length).toBeLessThanOrEqual(7);
});

describe('ids', () => {
  test.each([
    [ID, ID],
    [ID.toUpperCase(), ID],
    [XRAY, ID],
    [`${ID}0`, null],
    ['1-68b329da-9893e34099c7d8ad5cb9c94', null],
    ['', null],
  ])('%s', (text, expected) => expect(parseTraceId(text)).toBe(expected));
  test.each([
    `00-${ID}-00f067aa0ba902b7-01`,
    `X-Amzn-Trace-Id: Root=${XRAY};Parent=53995c3f42cd8ad8;Sampled=1`,
    `http://localhost:4380/trace/${ID}?span=1`,
    `{"trace_id":"${ID}"}`,
  ])('in %s', (text) => expect(findTraceId(text)).toBe(ID));
  test('none in what is too long or too short', () => expect([`${ID}ab`, 'hello', '00f067aa0ba902b7'].map(findTraceId)).toEqual([null, null, null]));
  test('there and back', () => expect(parseTraceId(xrayTraceId(ID))).toBe(ID));
});

test('addresses', () => {
  expect(match('/')).toEqual({ kind: 'home', rest: [] });
  expect(match('/errors/a%20b')).toEqual({ kind: 'errors', rest: ['a b'] });
  expect(match(`/compare/${ID}/${XRAY}`)).toEqual({ kind: 'compare', left: ID, right: ID });
  for (const path of [`/trace/${ID}`, `/trace/${XRAY}`, `/traces/${ID}/`]) expect(match(path)).toEqual({ kind: 'trace', id: ID });
  for (const path of ['/trace/', '/trace/x', `/trace/${ID}/x`, '/nothing', '/query/x', `/compare/${ID}`]) expect(match(path)).toEqual({ kind: 'not-found' });
});

test("the demonstration's services have colours of their own, whoever comes first", () => {
  expect(['PostgreSQL', 'users', 'activities', 'gateway', 'frontend-proxy', 'cruddur-web'].map(hueNumber)).toEqual([5, 4, 3, 2, 1, 0]);
  const others = Array.from({ length: 6 }, (_, index) => hueNumber(`other ${index}`));
  expect([...others].sort((a, b) => a - b)).toEqual([6, 7, 8, 9, 10, 11]);
  expect(hueNumber('one more')).toBeLessThan(12);
});

const query = span('q', 'a', 0, 9, {
  name: 'SELECT activities',
  kind: 'client',
  service: 'activities',
  attributes: { 'db.system.name': 'postgresql', 'db.operation.name': 'SELECT', 'db.collection.name': 'activities', 'db.response.returned_rows': 20 },
});

test('a call to a database is the station of the database', () => {
  expect([database(query), station(query), detail(query)]).toEqual(['PostgreSQL', 'PostgreSQL', '20 rows']);
  expect(detail({ ...query, name: 'query' })).toBe('SELECT activities · 20 rows');
  expect(station({ ...query, kind: 'internal' })).toBe('activities');
  expect(database(span('x', null, 0, 1, { attributes: { 'db.system': 'neo4j' } }))).toBe('neo4j');
});

test('an address that was called is told when the name does not', () => {
  const get = (name: string, attributes: Record<string, string>) => detail(span('x', null, 0, 1, { name, attributes }));
  expect(get('GET', { 'url.full': 'http://localhost:4568/activities/home?limit=3' })).toBe('/activities/home');
  expect(get('GET /activities/home', { 'url.path': '/activities/home' })).toBe('');
  expect(get('GET', { 'url.full': 'not an address' })).toBe('');
});

test('why a span failed', () => {
  const failed = (more: object) => failure(span('x', null, 0, 1, { status: 'error', ...more }));
  const exception = { name: 'exception', time_unix_nano: 0, attributes: { 'exception.type': 'Timeout', 'exception.message': 'too slow' } };
  expect(failed({ status_message: 'said so' })).toBe('said so');
  expect(failed({ events: [exception] })).toBe('too slow');
  expect(failed({ attributes: { 'error.type': '500' } })).toBe('500');
  expect(failed({})).toBe('');
  expect(failure(span('x', null, 0, 1))).toBe(null);
});

test.each([
  ['https://example.com/x', true],
  ['http://127.0.0.1:3000', true],
  ['javascript:alert(1)', false],
  ['data:text/html,x', false],
  [' https://example.com', false],
  ['https://', false],
  ['https://a b', false],
  [42, false],
])('%s as a link: %s', (value, expected) => expect(webAddress(value) !== null).toBe(expected));

test('attributes stand in groups, those of the application first', () => {
  const found = groups({ 'url.path': '/', 'app.now': 'x', plain: 1, 'http.route': '/', 'url.full': 'y' });
  expect(found.map(({ name, entries }) => [name, entries.map(([key]) => key)])).toEqual([
    ['app', ['app.now']],
    ['http', ['http.route']],
    ['url', ['url.full', 'url.path']],
    ['', ['plain']],
  ]);
});

describe('search', () => {
  const { nodes } = forestOf([
    span('root', null, 0, 9, { name: 'navigate /', service: 'cruddur-web' }),
    query,
    span('b', 'root', 1, 2, { attributes: { 'app.user_id': 'ada', 'app.list': ['Quick', 'Brown'] }, status: 'error', events: [{ name: 'exception', time_unix_nano: 1, attributes: { 'exception.message': 'Too slow' } }] }),
  ]);
  test.each([
    ['', []],
    ['NAVIGATE', ['root']],
    ['cruddur-web', ['root']],
    ['service:activities', ['q']],
    ['service:postgresql', ['q']],
    ['kind:client', ['q']],
    ['status:error', ['b']],
    ['app.user_id=ada', ['b']],
    ['app.user_id=bob', []],
    ['db.system', ['q']],
    ['too slow', ['b']],
    ['"too slow"', ['b']],
    ['brown', ['b']],
    ['select nothing', []],
    ['*', []],
  ])('%s', (words, expected) => expect(search(nodes, words)).toEqual(expected));
});

/** Which spans the end waited for, and when. */
function waited(given: string, traceEnd?: number): string {
  const [root] = forestOf(spans(given)).roots;
  return [...criticalPath(root!, traceEnd)]
    .flatMap(([id, stretches]) => stretches.map(({ from, to }) => ({ id, from, to })))
    .sort((a, b) => a.from - b.from)
    .map(({ id, from, to }) => `${id} ${from}-${to}`)
    .join(', ');
}

test('the critical path', () => {
  const scale = (text: string) => text.replace(/\b\d+\b/g, (number) => String(Number(number) * 10_000));
  const check = (given: string, expected: string) => expect(waited(scale(given))).toBe(scale(expected));
  check('root 0 100', 'root 0-100');
  check('root 0 100; a of root 10 40; b of root 50 90', 'root 0-10, a 10-40, root 40-50, b 50-90, root 90-100');
  // Side by side: only the one that ended last held up the end.
  check('root 0 100; short of root 10 40; long of root 10 90', 'root 0-10, long 10-90, root 90-100');
  check('root 0 100; a of root 10 90; deep of a 20 80', 'root 0-10, a 10-20, deep 20-80, a 80-90, root 90-100');
  // Two that follow each other may overlap a little: clocks are not exact.
  check('root 0 100; a of root 10 51; b of root 50 100', 'root 0-10, a 10-50, b 50-100');
  // A child that outlives its parent was not waited for.
  check('root 0 100; a of root 10 40; late of root 50 200', 'root 0-10, a 10-40, root 40-100');
});

test('the critical path goes to the end of the trace when that comes after the root', () => {
  expect(waited('page 0 10000; load of page 2000 90000; late of load 80000 99000', 99_000)).toBe('page 0-2000, load 2000-90000');
});

test('the critical path covers the root exactly once', () => {
  let seed = 3;
  const next = (below: number) => (seed = (seed * 1_103_515_245 + 12_345) % 2_147_483_648) % below;
  for (let round = 0; round < 100; round += 1) {
    const given = [span('s0', null, 0, 1_000_000)];
    for (let i = 1; i < 2 + next(20); i += 1) {
      const from = next(900) * 1_000;
      given.push(span(`s${i}`, `s${next(i)}`, from, from + next(300) * 1_000));
    }
    const [root] = forestOf(given).roots;
    const stretches = [...criticalPath(root!).values()].flat().sort((a, b) => a.from - b.from);
    expect(stretches[0]?.from).toBe(0);
    stretches.forEach(({ to }, index) => expect(to).toBe(stretches[index + 1]?.from ?? 1_000_000));
  }
});

test('own time is what no child covers, where children overlap or outlive too', () => {
  const own = (given: string) => ownTime(forestOf(spans(given)).roots[0]!);
  expect(own('root 0 100')).toBe(100);
  expect(own('root 0 100; a of root 10 40; b of root 30 60')).toBe(50);
  expect(own('root 0 100; a of root 90 300')).toBe(90);
  expect(own('root 0 100; a of root 200 300')).toBe(100);
});

test('the path goes from station to station, and says where a failure began', () => {
  const at = (id: string, parent: string | null, service: string, more: object = {}) => span(id, parent, 0, 10, { service, ...more });
  const forest = forestOf([
    at('click', null, 'cruddur-web', { status: 'error' }),
    at('proxy', 'click', 'frontend-proxy', { status: 'error' }),
    at('gateway', 'proxy', 'gateway', { status: 'error' }),
    // This one handled it and did not fail itself.
    at('fetch', 'gateway', 'gateway'),
    at('activities', 'fetch', 'activities', { status: 'error' }),
    at('users', 'gateway', 'users'),
    { ...query, span_id: 'sql', parent_span_id: 'activities', status: 'error' },
    { ...query, span_id: 'sql2', parent_span_id: 'users', service: 'users' },
  ]);
  expect(pathOf(forest).map((step) => step.map(({ name, failed }) => name + '!'.repeat(failed)).join(' '))).toEqual([
    'cruddur-web',
    'frontend-proxy',
    'gateway',
    'activities users',
    'PostgreSQL!',
  ]);
  expect(originOf(forest.get('click')!).id).toBe('sql');
});
