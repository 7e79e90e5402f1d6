import { expect, test } from 'vitest';

import { safePath } from '../src/app';
import { address } from '../src/api';
import { match, nextOf, searchTerm } from '../src/routes';
import { parseUser } from '../src/session';
import type { Activity } from '../src/shapes';
import { activity, problem } from '../src/shapes';
import { initialState, reduce } from '../src/state';
import type { Event, State } from '../src/state';
import { lengthOf } from '../src/ui/Composer';
import { ago, left } from '../src/ui/time';

const post = (uuid: string, handle = 'maren'): Activity => ({
  uuid,
  message: 'The tide is out.',
  created_at: '2026-11-21T08:00:00Z',
  expires_at: null,
  replies_count: 0,
  reply_to_activity_uuid: null,
  user: { uuid: `of-${handle}`, handle, display_name: handle },
});
const home = (...uuids: string[]) => ({ kind: 'home' as const, feed: { activities: uuids.map((uuid) => post(uuid)), next: 'c' } });
const after = (...events: Event[]): State => events.reduce(reduce, initialState);
const visited = (visit: number, at = '/', kind: State['kind'] = 'home') => ({ type: 'visited' as const, visit, address: at, kind });
const shown = (state: State) => (state.view.phase === 'ready' ? state.view.page : null);

test('a page loads', () => {
  expect(after(visited(1)).view.phase).toBe('loading');
  expect(shown(after(visited(1), { type: 'loaded', visit: 1, page: home('a') }))).toEqual(home('a'));
});

test('an answer to a page left behind changes nothing', () => {
  const state = after(visited(1), visited(2, '/search', 'search'));
  const failure = { title: '', detail: '', status: null, traceId: null };
  for (const event of [
    { type: 'loaded', visit: 1, page: home('a') },
    { type: 'failed', visit: 1, failure },
    { type: 'got more', visit: 1, page: home('a') },
    { type: 'got no more', visit: 1, failure },
  ] satisfies Event[]) {
    expect(reduce(state, event)).toBe(state);
  }
});

test('going back shows what was kept, at once', () => {
  expect(shown(after({ ...visited(1), kept: home('a', 'b') }))).toEqual(home('a', 'b'));
});

test('a failed "load more" keeps what is there', () => {
  const failure = { title: 'No answer', detail: '', status: 504, traceId: null };
  const state = after(visited(1), { type: 'loaded', visit: 1, page: home('a') }, { type: 'asked for more', visit: 1 }, { type: 'got no more', visit: 1, failure });
  expect(shown(state)).toEqual(home('a'));
  expect(state.more).toEqual({ loading: false, failure });
});

test('a new post is on top of the feed', () => {
  const state = after(visited(1), { type: 'loaded', visit: 1, page: home('a') }, { type: 'posted', activity: post('new') });
  expect(shown(state)).toEqual(home('new', 'a'));
});

test('a reply is counted, and shown below the post it answers', () => {
  const page = { kind: 'post' as const, post: post('a'), replies: [] };
  const loaded = after(visited(1, '/post/a', 'post'), { type: 'loaded', visit: 1, page });
  expect(shown(reduce(loaded, { type: 'replied', to: 'a', activity: post('r') }))).toEqual({
    kind: 'post',
    post: { ...post('a'), replies_count: 1 },
    replies: [post('r')],
  });
  expect(shown(reduce(loaded, { type: 'replied', to: 'another', activity: post('r') }))).toEqual(page);
});

test.each([
  ['/', '/'],
  ['/?x=1', '/'],
  ['/@worf', '/@{handle}'],
  ['/@', '/{unknown}'],
  ['/@worf/more', '/{unknown}'],
  ['/post/5e1c', '/post/{uuid}'],
  ['/post', '/{unknown}'],
  ['/post/', '/{unknown}'],
  ['/post/a/b', '/{unknown}'],
  ['/search?term=tide', '/search'],
  ['/notifications', '/notifications'],
  ['/sign-in', '/sign-in'],
  ['/sign-up?next=/', '/sign-up'],
  ['/%', '/{unknown}'],
  ['/constructor', '/{unknown}'],
])('the address %s is the route %s', (at, pattern) => {
  expect(match(at).pattern).toBe(pattern);
});

test('a page knows whether there is more', () => {
  expect(nextOf(home('a'))).toBe('c');
  expect(nextOf({ kind: 'search', term: '', feed: null })).toBe(null);
  expect(nextOf({ kind: 'sign-in' })).toBe(null);
  expect(searchTerm('/search?term=%20tide%20')).toBe('tide');
});

test.each([
  [null, '/'],
  ['', '/'],
  ['/post/1?x=y', '/post/1?x=y'],
  ['//evil.example', '/'],
  ['/\\evil.example', '/'],
  ['https://evil.example', '/'],
  ['javascript:alert(1)', '/'],
])('after signing in, %j leads to %s', (next, expected) => {
  expect(safePath(next)).toBe(expected);
});

test.each([
  ['/api/activities/@{handle}', { handle: 'a/b?c' }, { before: null }, '/api/activities/@a%2Fb%3Fc'],
  ['/api/activities/search', {}, { term: 'a&b', before: 'x' }, '/api/activities/search?term=a%26b&before=x'],
])('%s becomes an address', (template, parts, query, expected) => {
  globalThis.location ??= new URL('http://localhost:3000/') as unknown as Location;
  expect(address(template, parts as Record<string, string>, query).href).toBe(`http://localhost:3000${expected}`);
});

const NOW = Date.parse('2026-11-21T12:00:00Z');

test.each([
  ['2026-11-21T11:59:30Z', 'now'],
  ['2026-11-21T12:00:05Z', 'now'],
  ['2026-11-21T11:56:00Z', '4 min'],
  ['2026-11-21T09:00:01Z', '2 h'],
  ['2026-11-14T12:00:00Z', '7 d'],
  ['never', ''],
])('%s is %j ago', (iso, expected) => {
  expect(ago(iso, NOW)).toBe(expected);
});

test.each([
  ['2026-11-28T11:59:55Z', '7 d left'],
  ['2026-11-21T12:59:59Z', '1 h left'],
  ['2026-11-21T12:10:00Z', '10 min left'],
  ['2026-11-21T12:00:20Z', 'under a minute left'],
  ['2026-11-21T11:00:00Z', 'gone'],
])('a post that ends at %s has %j', (expires, expected) => {
  expect(left('2026-11-21T10:00:00Z', expires, NOW).words).toBe(expected);
});

test('what is left is a share from 0 to 1', () => {
  expect(left('2026-11-21T11:00:00Z', '2026-11-21T13:00:00Z', NOW).share).toBe(0.5);
  expect(left('2026-11-21T13:00:00Z', '2026-11-21T13:00:00Z', NOW).share).toBe(0);
});

test.each([
  ['', 0],
  ['  tide \n', 4],
  ['🌊🌊', 2],
])('%j has %d characters', (message, expected) => {
  expect(lengthOf(message)).toBe(expected);
});

test.each([null, '', '{', '[]', '"x"', '{"id":1}', '{"id":"1","handle":"h"}'])('stored %j is nobody', (text) => {
  expect(parseUser(text)).toBe(null);
});

test('an activity of another shape is refused, by the name of the field', () => {
  expect(() => activity({ ...post('a'), message: 5 })).toThrow('message is not text');
  expect(() => activity(null)).toThrow('activity is not an object');
  expect(activity({ ...post('a'), user: undefined }).user).toBe(null);
});

test.each([
  [{ title: 'T', detail: 'D', trace_id: 't' }, { title: 'T', detail: 'D', trace_id: 't' }],
  ['<html>', { title: 'Bad Gateway', detail: 'The server gave no further explanation.', trace_id: null }],
  [null, { title: 'Bad Gateway', detail: 'The server gave no further explanation.', trace_id: null }],
])('the problem %j can be shown', (value, expected) => {
  expect(problem(value, 502, 'Bad Gateway')).toEqual({ status: 502, ...expected });
});
