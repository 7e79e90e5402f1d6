import { expect, test } from 'vitest';

import { percentOf, place, rate, wayOf } from '../src/map/place';

const node = (service: string, kind = 'service') => ({ service, kind, requests: 10, errors: 0, p50_ms: 1, p95_ms: 2 });
const edge = (from: string, to: string, requests = 10) => ({ from, to, requests, errors: 0, p95_ms: 2 });

test('callers stand left of those they call; a call past a column has room of its own', () => {
  const { nodes, edges, width, height } = place({
    nodes: [node('web'), node('gateway'), node('users'), node('postgresql', 'database')],
    edges: [edge('web', 'gateway', 1_000), edge('gateway', 'users'), edge('users', 'postgresql'), edge('gateway', 'postgresql'), edge('gateway', 'gateway'), edge('gateway', 'nobody')],
  });
  const x = (service: string) => nodes.find((each) => each.service === service)?.x ?? -1;
  expect([x('web'), x('gateway'), x('users'), x('postgresql')]).toEqual([...new Set([x('web'), x('gateway'), x('users'), x('postgresql')])].sort((a, b) => a - b));
  expect(edges.map(({ id }) => id)).toEqual(['web>gateway', 'gateway>users', 'users>postgresql', 'gateway>postgresql']);
  expect(edges.find(({ id }) => id === 'gateway>postgresql')?.points).toHaveLength(4);
  expect(edges.find(({ id }) => id === 'gateway>postgresql')?.isDatabase).toBe(true);
  expect(edges[0]?.weight).toBe(4);
  for (const { x: left, y: top, width: across, height: down } of nodes) {
    expect(left + across).toBeLessThanOrEqual(width);
    expect(top + down).toBeLessThanOrEqual(height);
  }
});

test('services that call each other, and none at all', () => {
  expect(place({ nodes: [node('a'), node('b')], edges: [edge('a', 'b'), edge('b', 'a')] }).edges).toHaveLength(2);
  expect(place({ nodes: [], edges: [] }).nodes).toEqual([]);
  expect(wayOf([{ x: 0, y: 0 }, { x: 10, y: 5 }])).toBe('M0 0C5 0 5 5 10 5');
});

test('rates and shares in words', () => {
  expect([rate(7_200, 3_600), rate(120, 3_600), rate(3, 3_600), rate(0, 60)]).toEqual(['2/s', '2/min', '3/h', '0/min']);
  expect([percentOf(0, 9), percentOf(1, 9_000), percentOf(1, 30), percentOf(1, 2), percentOf(0, 0)]).toEqual(['0 %', '<0.1 %', '3.3 %', '50 %', '0 %']);
});
