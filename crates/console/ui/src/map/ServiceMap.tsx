import { useEffect, useMemo } from 'react';

import { getServiceMap } from '../query/calls';
import { amount } from '../query/chart';
import { queryAddress } from '../query/spec';
import type { Filter } from '../query/spec';
import { hue } from '../shared/colours';
import { count } from '../shared/format';
import { useKeys } from '../shared/keys';
import type { KeyHelp } from '../shared/keys';
import { Link } from '../shared/Link';
import { setQuery } from '../shared/location';
import { Icon } from '../shared/marks';
import { isNotHere, NotHere } from '../shared/NotHere';
import { useAsked, wordsOf } from '../shared/ask';
import type { ViewProps } from '../shared/view';
import { SetUp } from '../setup/SetUp';
import { percentOf, place, rate, wayOf } from './place';
import type { PlacedEdge, PlacedNode } from './place';

import './map.css';

export const MAP_KEYS: KeyHelp = {
  where: 'Map',
  keys: [
    { key: 'Tab', does: 'Next service or call' },
    { key: 'Enter', does: 'Its figures, and the queries about it' },
    { key: 'Esc', does: 'Choose nothing' },
  ],
};

const RANGES: readonly (readonly [seconds: number, words: string])[] = [
  [300, '5 minutes'],
  [900, '15 minutes'],
  [3_600, 'hour'],
  [21_600, '6 hours'],
  [86_400, '24 hours'],
  [604_800, '7 days'],
];
const FIRST_RANGE = 3_600;

/** Who calls whom, how often, how well and how fast. A click leads to the query that says more. */
export function ServiceMap({ address, stats }: ViewProps) {
  const query = useMemo(() => new URL(address, location.origin).searchParams, [address]);
  const range = Number(query.get('range')) || FIRST_RANGE;
  const chosen = query.get('at');
  const { answer, failure } = useAsked(
    String(range),
    (signal) => {
      const end = Math.ceil(Date.now() / 1000);
      return getServiceMap(end - range, end, signal);
    },
    true,
  );
  const placed = useMemo(() => answer && place(answer), [answer]);
  const choose = (id: string | null) => setQuery({ at: id });

  useEffect(() => {
    document.title = 'Service map · Throughline';
  }, []);
  useKeys({ Escape: () => choose(null) });

  if (answer?.nodes.length === 0 && stats !== null && stats !== 'gone' && stats.spans === 0) {
    return (
      <main className="note">
        <h1>No service yet</h1>
        <p className="waiting">The map draws itself from the spans that arrive.</p>
        <SetUp stats={stats} />
      </main>
    );
  }
  if (failure && isNotHere(failure)) return <NotHere view="Service map" failure={failure} />;
  const node = placed?.nodes.find(({ id }) => id === chosen);
  const edge = placed?.edges.find(({ id }) => id === chosen);
  return (
    <main className="map-page">
      <div className="toolbar">
        <h1>Service map</h1>
        <label className="filters">
          <span className="hidden">Time</span>
          <select value={range} onChange={(event) => setQuery({ range: event.target.value })}>
            {RANGES.map(([seconds, words]) => (
              <option key={seconds} value={seconds}>
                last {words}
              </option>
            ))}
          </select>
        </label>
        <span className="soft">Requests, their 95th percentile, and the share that failed; on the lines the same of each call</span>
        {failure && (
          <span className="bad" role="alert">
            {wordsOf(failure)}
          </span>
        )}
      </div>
      <div className="map-body" data-chosen={Boolean(node ?? edge)}>
        <div className="map-scroll" onClick={(event) => event.target === event.currentTarget && choose(null)}>
          {placed && placed.nodes.length === 0 && <p className="empty">No span in this time.</p>}
          {placed && placed.nodes.length > 0 && (
            <svg className="service-map" viewBox={`0 0 ${placed.width} ${placed.height}`} style={{ maxWidth: placed.width * 1.25, minWidth: placed.width * 0.7 }} role="group" aria-label="Service map">
              <defs>
                <marker id="call-end" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" markerUnits="userSpaceOnUse" orient="auto-start-reverse">
                  <path d="M0 .5 8 4 0 7.5z" />
                </marker>
              </defs>
              {placed.edges.map((each) => (
                <Edge key={each.id} edge={each} range={range} isChosen={each.id === chosen} isDim={Boolean(node) && each.from !== chosen && each.to !== chosen} onChoose={() => choose(each.id)} />
              ))}
              {placed.nodes.map((each) => (
                <Node key={each.id} node={each} range={range} isChosen={each.id === chosen} onChoose={() => choose(each.id)} />
              ))}
            </svg>
          )}
          {placed && placed.nodes.length > 0 && <ServiceTable nodes={placed.nodes} range={range} chosen={chosen} onChoose={choose} />}
        </div>
        {node && (
          <Details title={node.service} kind={node.kind} figures={node} range={range} onClose={() => choose(null)}>
            {node.kind === 'database' ? <Queries of={ofDatabase(node.service)} range={range} by="db.query.summary" what="Every call to it" /> : <Queries of={[{ column: 'service.name', op: '=', value: node.service }]} range={range} by="name" what="Every span of it" />}
            {node.kind !== 'database' && <Link to={`/traces?service=${encodeURIComponent(node.service)}`}>Its traces</Link>}
            {node.kind !== 'database' && <Link to={`/logs?q=${encodeURIComponent(node.service)}`}>Its log lines</Link>}
          </Details>
        )}
        {edge && (
          <Details title={`${edge.from} → ${edge.to}`} kind="calls" figures={edge} range={range} onClose={() => choose(null)}>
            <Queries
              of={[{ column: 'service.name', op: '=', value: edge.from }, ...(edge.isDatabase ? ofDatabase(edge.to) : []), { column: 'span.kind', op: '=', value: 'client' }]}
              range={range}
              by={edge.isDatabase ? 'db.query.summary' : 'name'}
              what={edge.isDatabase ? 'These calls' : `Every call of ${edge.from}`}
            />
          </Details>
        )}
      </div>
    </main>
  );
}

/** The same figures to compare, the busiest first. */
function ServiceTable({ nodes, range, chosen, onChoose }: { nodes: readonly PlacedNode[]; range: number; chosen: string | null; onChoose: (id: string) => void }) {
  const busiest = [...nodes].sort((a, b) => b.requests - a.requests);
  return (
    <table className="service-table">
      <thead>
        <tr>
          <th scope="col">Service</th>
          <th scope="col">Requests</th>
          <th scope="col">Rate</th>
          <th scope="col">Failed</th>
          <th scope="col">Median</th>
          <th scope="col">95th percentile</th>
        </tr>
      </thead>
      <tbody>
        {busiest.map(({ id, service, kind, requests, errors, p50_ms, p95_ms }) => (
          <tr key={id} data-chosen={id === chosen} onClick={() => onChoose(id)}>
            <th scope="row">
              <button type="button">
                <i className={`dot ${hue(kind === 'database' ? databaseName(service) : service)}`} />
                {service}
              </button>
            </th>
            <td>{count(requests)}</td>
            <td>{rate(requests, range)}</td>
            <td {...(errors > 0 && { className: 'bad' })}>{percentOf(errors, requests)}</td>
            <td>{amount(p50_ms, 'duration_ms')}</td>
            <td>{amount(p95_ms, 'duration_ms')}</td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}

interface Figures {
  readonly requests: number;
  readonly errors: number;
  readonly p50_ms?: number | null;
  readonly p95_ms: number | null;
}

function Details({ title, kind, figures, range, onClose, children }: { title: string; kind: string; figures: Figures; range: number; onClose: () => void; children: React.ReactNode }) {
  return (
    <aside className="map-aside" aria-label={title}>
      <header>
        <h2>{title}</h2>
        <button type="button" className="quiet" aria-label="Close" title="Close (Esc)" onClick={onClose}>
          <Icon name="close" />
        </button>
      </header>
      <p className="soft">{kind}</p>
      <dl>
        <div>
          <dt>Requests</dt>
          <dd>
            {count(figures.requests)} <small>{rate(figures.requests, range)}</small>
          </dd>
        </div>
        <div {...(figures.errors > 0 && { className: 'bad' })}>
          <dt>Failed</dt>
          <dd>
            {count(figures.errors)} <small>{percentOf(figures.errors, figures.requests)}</small>
          </dd>
        </div>
        {figures.p50_ms !== undefined && (
          <div>
            <dt>Median</dt>
            <dd>{amount(figures.p50_ms, 'duration_ms')}</dd>
          </div>
        )}
        <div>
          <dt>95th percentile</dt>
          <dd>{amount(figures.p95_ms, 'duration_ms')}</dd>
        </div>
      </dl>
      <nav aria-label="Queries">{children}</nav>
    </aside>
  );
}

/** The queries that say more, ready to be changed. */
function Queries({ of, range, by, what }: { of: readonly Filter[]; range: number; by: string; what: string }) {
  const time_range = range;
  const limit = 50;
  return (
    <>
      <Link
        to={queryAddress({
          calculations: [{ op: 'HEATMAP', column: 'duration_ms' }, { op: 'COUNT' }, { op: 'P95', column: 'duration_ms' }],
          filters: of,
          breakdowns: [by],
          orders: [{ op: 'P95', column: 'duration_ms', order: 'descending' }],
          limit,
          time_range,
        })}
      >
        {what}, and how long it took
      </Link>
      <Link
        to={queryAddress({
          calculations: [{ op: 'COUNT' }],
          filters: [...of, { column: 'error', op: '=', value: true }],
          breakdowns: [by, 'exception.message'],
          orders: [{ op: 'COUNT', order: 'descending' }],
          limit,
          time_range,
        })}
      >
        What failed
      </Link>
    </>
  );
}

function Node({ node, range, isChosen, onChoose }: { node: PlacedNode; range: number; isChosen: boolean; onChoose: () => void }) {
  const { service, kind, x, y, width, height, requests, errors, p95_ms } = node;
  const [system, namespace] = kind === 'database' ? service.split(' ') : [service, undefined];
  const shown = namespace ?? service;
  return (
    <g className={`service-node ${hue(kind === 'database' ? databaseName(service) : service)}`} transform={`translate(${x} ${y})`} data-service={service} data-chosen={isChosen} data-failed={errors > 0} {...button(`${service}: ${rate(requests, range)}, ${percentOf(errors, requests)} failed, P95 ${amount(p95_ms, 'duration_ms')}`, onChoose)}>
      <rect className="card" width={width} height={height} rx={kind === 'database' ? height / 2 : 9} />
      <rect className="mark" x={kind === 'database' ? 18 : 0} y={kind === 'database' ? height / 2 - 5 : 0} width={kind === 'database' ? 10 : 5} height={kind === 'database' ? 10 : height} rx={kind === 'database' ? 5 : 2.5} />
      <text className="name" x={kind === 'database' ? 36 : 18} y="22">
        {shown.length > 20 ? `${shown.slice(0, 19)}…` : shown}
      </text>
      <text x={kind === 'database' ? 36 : 18} y="40">
        {namespace && `${system} · `}
        {rate(requests, range)}
      </text>
      <text x={kind === 'database' ? 36 : 18} y="56">
        P95 <tspan className="figure">{amount(p95_ms, 'duration_ms')}</tspan>
      </text>
      <text className={errors > 0 ? 'failed-share' : ''} x={width - 12 - (kind === 'database' ? 10 : 0)} y="56" textAnchor="end">
        {percentOf(errors, requests)}
      </text>
      {errors > 0 && <rect className="failed-bar" x={kind === 'database' ? 36 : 18} y={height - 7} width={Math.max((width - (kind === 'database' ? 62 : 30)) * (errors / requests), 2)} height="2.5" rx="1.25" />}
    </g>
  );
}

function Edge({ edge, range, isChosen, isDim, onChoose }: { edge: PlacedEdge; range: number; isChosen: boolean; isDim: boolean; onChoose: () => void }) {
  const { from, to, requests, errors, p95_ms, weight, label } = edge;
  const path = wayOf(edge.points);
  return (
    <g className="service-edge" data-edge={`${from} ${to}`} data-chosen={isChosen} data-dim={isDim} data-failed={errors > 0} {...button(`${from} to ${to}: ${rate(requests, range)}, ${percentOf(errors, requests)} failed, P95 ${amount(p95_ms, 'duration_ms')}`, onChoose)}>
      <path className="reach" d={path} />
      <path className="line" d={path} strokeWidth={weight} markerEnd="url(#call-end)" />
      <text x={label.x} y={label.y - 6} textAnchor="middle">
        {amount(p95_ms, 'duration_ms')}
      </text>
      <text x={label.x} y={label.y + 14} textAnchor="middle" className={errors > 0 ? 'failed-share' : ''}>
        {errors > 0 ? `${percentOf(errors, requests)} failed` : rate(requests, range)}
      </text>
    </g>
  );
}

function button(label: string, act: () => void) {
  return {
    role: 'button',
    tabIndex: 0,
    'aria-label': label,
    onClick: act,
    onKeyDown: (event: React.KeyboardEvent) => {
      if (event.key !== 'Enter' && event.key !== ' ') return;
      event.preventDefault();
      act();
    },
  };
}

/** A database is named by its system and, where that is known, by its namespace: `postgresql users`. */
function ofDatabase(name: string): readonly Filter[] {
  const [system = '', ...namespace] = name.split(' ');
  return [{ column: 'db.system.name', op: '=', value: system }, ...(namespace.length > 0 ? [{ column: 'db.namespace', op: '=', value: namespace.join(' ') }] : [])];
}

/** The colour that it has in a trace. */
function databaseName(name: string): string {
  return name.startsWith('postgresql') ? 'PostgreSQL' : (name.split(' ')[0] ?? name);
}
