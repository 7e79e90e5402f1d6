import { describe, expect, test } from 'vitest';

import { isOurs, peopleOf, personText, runs, summary } from '../src/errors/model';
import type { ErrorGroup, Occurrence } from '../src/errors/model';
import { extras, marked, merge, said, severity, wordsOf } from '../src/logs/model';
import type { LogEvent } from '../src/logs/model';
import { cluster, notesOf } from '../src/trace/notes';
import { facts, isMisestimated, planDetail, planOf, remarks, sameStatement } from '../src/trace/plan';
import { forestOf, span, spans } from './spans';

const event = (id: string, more: Partial<LogEvent> = {}): LogEvent => ({ id, time_unix_nano: 0, group: 'cruddur', stream: 'gateway', level: 'INFO', service: 'gateway', message: 'a line', trace_id: null, span_id: null, fields: null, ...more });
const occurrence = (uuid: string, more: Partial<Occurrence> = {}): Occurrence => ({ uuid, time_unix_nano: 0, trace_id: null, span_id: null, person: null, code_version: null, request: null, trace_chain: [], message: null, custom: {}, ...more });

describe('log lines', () => {
  test.each([
    ['ERROR', 'error'],
    ['Fatal', 'error'],
    ['WARNING', 'warn'],
    ['trace', 'debug'],
    [null, 'info'],
  ])('%s is as loud as %s', (level, loud) => expect(severity(level)).toBe(loud));

  test('what a line says', () => {
    expect(said(event('1', { message: '{"message":"hello"}', fields: { message: 'hello' } }))).toBe('hello');
    expect(said(event('1', { message: '…', fields: { fields: { message: 'within' } } }))).toBe('within');
    expect(said(event('1', { message: 'two\n  lines' }))).toBe('two lines');
    expect(extras({ message: 'x', level: 'INFO', route: '/a', n: 3, deep: { a: 1 } })).toEqual([['route', '/a'], ['n', '3']]);
  });

  test('words of a search, and where they stand', () => {
    expect(wordsOf('error "two words" AND x')).toEqual(['error', 'two words', 'x']);
    expect(marked('An ERROR (1)', ['error', '(1)'])).toEqual([
      { text: 'An ', isHit: false },
      { text: 'ERROR', isHit: true },
      { text: ' ', isHit: false },
      { text: '(1)', isHit: true },
    ]);
    expect(marked('text', [])).toEqual([{ text: 'text', isHit: false }]);
  });

  test('a tail keeps each line once, newest first, and not more than it may', () => {
    const at = (id: string, time: number) => event(id, { time_unix_nano: time });
    const known = [at('b', 2), at('a', 1)];
    expect(merge(known, [at('c', 3), at('b', 2), at('c', 3)], 3).map(({ id }) => id)).toEqual(['c', 'b', 'a']);
    expect(merge(known, [at('c', 3)], 2).map(({ id }) => id)).toEqual(['c', 'b']);
    expect(merge(known, [])).toBe(known);
  });
});

describe('errors', () => {
  test('in one line', () => {
    expect(summary(occurrence('1', { trace_chain: [{ class: 'Db', message: 'no table', frames: [] }] }))).toBe('Db: no table');
    expect(summary(occurrence('1', { message: 'Hello World!' }))).toBe('Hello World!');
  });

  test.each([
    ['crates/gateway/src/main.rs', true],
    ['/root/.cargo/registry/src/x/sqlx/src/lib.rs', false],
    ['/rustc/abc/library/core/src/panic.rs', false],
    ['/usr/lib/python3.11/json/decoder.py', false],
    ['http://localhost:3000/node_modules/react/index.js', false],
  ])('%s is ours: %s', (file, ours) => expect(isOurs({ file, line: 1, method: null })).toBe(ours));

  test('calls, the innermost first, in runs of ours and others', () => {
    const frame = (file: string) => ({ file, line: 1, method: null });
    expect(runs(['main.rs', '/rustc/a.rs', '/rustc/b.rs', 'store.rs'].map(frame)).map(({ ours, frames }) => [ours, frames.length])).toEqual([[true, 1], [false, 2], [true, 1]]);
  });

  test('people', () => {
    expect(personText({ id: 7, username: 'ada' })).toBe('ada (7)');
    expect(personText('u1')).toBe('u1');
    expect(personText({})).toBeNull();
    expect(peopleOf([occurrence('1', { person: 'a' }), occurrence('2', { person: 'b' }), occurrence('3', { person: 'b' }), occurrence('4')])).toEqual([{ person: 'b', count: 2 }, { person: 'a', count: 1 }]);
  });
});

describe('notes on spans', () => {
  const forest = forestOf(spans('root 0 100; a of root 10 20'));

  test('each stands at its span, what names none at the root', () => {
    const group = { level: 'error' } as ErrorGroup;
    const { bySpan, all } = notesOf(forest, [event('1', { span_id: 'a', time_unix_nano: 12 }), event('2', { span_id: 'gone' }), event('1', { span_id: 'a' })], [{ group, occurrence: occurrence('e', { span_id: 'a', time_unix_nano: 11 }) }]);
    expect(all.map(({ id }) => id)).toEqual(['log-2', 'error-e', 'log-1']);
    expect(bySpan.get('a')?.map(({ id }) => id)).toEqual(['error-e', 'log-1']);
    expect(bySpan.get('root')?.map(({ id }) => id)).toEqual(['log-2']);
  });

  test('an error that tells whole seconds is put where its span failed', () => {
    const failed = forestOf([span('a', null, 1_200, 1_900, { events: [{ name: 'exception', time_unix_nano: 1_700, attributes: {} }] }), span('b', null, 1_200, 1_900)]);
    const at = (span_id: string) => notesOf(failed, [], [{ group: { level: 'error' } as ErrorGroup, occurrence: occurrence('e', { span_id, time_unix_nano: 1_000 }) }]).all[0]?.time;
    expect([at('a'), at('b'), at('gone')]).toEqual([1_700, 1_200, 1_000]);
  });

  test('a trace without spans has no notes', () => expect(notesOf(forestOf([]), [event('1')], []).all).toEqual([]));

  test('marks that would touch are one', () => {
    const point = (time: number, isFailure = false) => ({ time, name: String(time), isFailure, note: null });
    expect(cluster([point(51), point(50, true), point(70), point(120)], (time) => time, 2)).toEqual([
      { at: 50, names: ['50', '51'], notes: [], isFailure: true },
      { at: 70, names: ['70'], notes: [], isFailure: false },
    ]);
  });
});

describe('plans', () => {
  const node = (id: string, parent: string, start: number, end: number, attributes: Record<string, string | number | boolean>) => span(id, parent, start, end, { attributes: { 'postgresql.plan.node_type': 'x', ...attributes } });
  const forest = forestOf([
    span('query', null, 0, 1_000_000, { kind: 'client', attributes: { 'db.system.name': 'postgresql' } }),
    span('execute', 'query', 0, 900_000, { attributes: { 'postgresql.phase': 'execute', 'postgresql.query_id': '-12' } }),
    node('join', 'execute', 0, 800_000, { 'postgresql.plan.self_time_ms': 0.1, 'postgresql.plan.rows.estimated': 1, 'postgresql.plan.rows.actual': 4_200, 'postgresql.plan.rows.misestimate': 4_200 }),
    node('scan', 'join', 0, 700_000, { 'postgresql.plan.loops': 4, 'postgresql.plan.rows.actual': 2.5, 'postgresql.plan.rows.estimated': 3, 'postgresql.plan.rows.misestimate': 1.2, 'postgresql.plan.rows.removed_by_filter': 5_000, 'postgresql.plan.buffers.shared_read': 7 }),
    node('unused', 'join', 700_000, 700_000, { 'postgresql.plan.never_executed': true }),
  ]);
  const at = (id: string) => forest.get(id)!;

  test('a node in few words', () => {
    expect(planDetail(at('scan').span)).toBe('2.5 rows of 3 expected · × 4 · 5,000 filtered out · 7 pages read');
    expect(planDetail(at('unused').span)).toBe('never executed');
    expect(isMisestimated(facts(at('join').span))).toBe(true);
    expect(isMisestimated(facts(at('scan').span))).toBe(false);
  });

  test('the tree with own times, from wherever one looks', () => {
    for (const from of ['query', 'scan']) {
      const plan = planOf(at(from));
      expect(plan.query.id).toBe('query');
      expect(plan.lines.map(({ node: { id }, depth, own }) => [id, depth, own])).toEqual([
        ['execute', 0, 100_000],
        ['join', 1, 100_000],
        ['scan', 2, 700_000],
        ['unused', 2, 0],
      ]);
      expect(sameStatement(plan)).toContainEqual({ column: 'postgresql.query_id', op: '=', value: '-12' });
    }
  });

  test('what to look at first', () => {
    expect(remarks(planOf(at('query')))).toEqual(['70 % of the time is in scan itself (700 µs).', 'join: 4,200× too few rows were expected.', 'scan read 5,000 rows only to leave them out: an index may be missing.']);
  });

  test('a query without a plan', () => {
    const plan = planOf(forestOf([span('q', null, 0, 9, { attributes: { 'db.query.text': 'SELECT 1' } })]).nodes[0]!);
    expect(plan.lines).toEqual([]);
    expect(sameStatement(plan)).toContainEqual({ column: 'db.query.text', op: '=', value: 'SELECT 1' });
    expect(sameStatement(planOf(forestOf(spans('q 0 9')).nodes[0]!))).toBeNull();
  });
});
