import { useEffect, useMemo, useState } from 'react';

import type { ErrorGroup } from '../errors/model';
import { percentOf, rate } from '../map/place';
import { runQuery } from '../query/calls';
import type { Answer } from '../query/calls';
import { amount } from '../query/chart';
import { HeatmapChart } from '../query/HeatmapChart';
import type { Frame } from '../query/Lines';
import { Spark } from '../query/Results';
import { queryAddress, withFilter, withRange, withTime, writeState } from '../query/spec';
import type { Spec } from '../query/spec';
import { SetUp } from '../setup/SetUp';
import { hue } from '../shared/colours';
import { ago, count } from '../shared/format';
import { Link } from '../shared/Link';
import { navigate, setQuery } from '../shared/location';
import { getJson, useAsked } from '../shared/ask';
import type { ViewProps } from '../shared/view';
import { TraceRow } from '../traces/TraceRow';
import { useTraces } from '../traces/useTraces';

import '../traces/traces.css';
import '../query/query.css';
import './home.css';

/** What one works on has just happened. */
const FIRST_RANGE = 600;
const RANGES: readonly (readonly [seconds: number, words: string])[] = [
  [600, '10 minutes'],
  [3_600, 'hour'],
  [21_600, '6 hours'],
  [86_400, '24 hours'],
];
const ROWS = 9;
const EVERYTHING = { service: null, min_duration_ms: null, error: false };

/** Whole requests, as whoever asked them sees them: the spans without a parent. */
const ROOTS: Spec = {
  calculations: [{ op: 'COUNT' }, { op: 'P50', column: 'duration_ms' }, { op: 'P95', column: 'duration_ms' }, { op: 'HEATMAP', column: 'duration_ms' }],
  filters: [{ column: 'trace.parent_id', op: 'does-not-exist' }],
  limit: 1,
};

const ROUTES: Spec = {
  calculations: [{ op: 'P95', column: 'duration_ms' }, { op: 'COUNT' }],
  filters: [{ column: 'span.kind', op: '=', value: 'server' }],
  breakdowns: ['service.name', 'name'],
  orders: [{ op: 'P95', column: 'duration_ms', order: 'descending' }],
  limit: 8,
};

const FAILED: Spec = {
  calculations: [{ op: 'COUNT' }],
  filters: [{ column: 'trace.parent_id', op: 'does-not-exist' }, { column: 'error', op: '=', value: true }],
  breakdowns: ['service.name', 'name'],
  orders: [{ op: 'COUNT', order: 'descending' }],
  limit: 8,
};

/** The last minutes at a glance: each part leads to the page that says more. */
export function Home({ address, stats }: ViewProps) {
  const range = Number(new URL(address, location.origin).searchParams.get('range')) || FIRST_RANGE;
  const [all, slow, bad] = useMemo(() => [ROOTS, ROUTES, FAILED].map((spec) => withRange(spec, range)) as [Spec, Spec, Spec], [range]);
  const [hover, setHover] = useState<number | null>(null);
  const { list } = useTraces(EVERYTHING, ROWS, false);
  const ask = (spec: Spec) => (signal: AbortSignal) => runQuery(spec, null, signal);
  const roots = useAsked(`roots ${range}`, ask(all), true).answer;
  const failedRoots = useAsked(`failed roots ${range}`, ask(withFilter({ ...all, calculations: [{ op: 'COUNT' }] }, { column: 'error', op: '=', value: true })), true).answer;
  const routes = useAsked(`routes ${range}`, ask(slow), true).answer;
  const failed = useAsked(`failed ${range}`, ask(bad), true).answer;
  const groups = useAsked('groups', async (signal) => (await getJson<{ groups: readonly ErrorGroup[] }>('/api/errors?status=active&limit=8', signal)).groups, true).answer;

  useEffect(() => {
    document.title = 'Throughline console';
  }, []);

  const isEmpty = stats !== null && stats !== 'gone' && stats.spans === 0;
  if (isEmpty && list?.rows.length === 0) {
    return (
      <main className="note">
        <h1>Nothing has arrived yet</h1>
        <p className="waiting" role="status">
          Listening. What arrives appears here by itself.
        </p>
        <SetUp stats={stats} />
      </main>
    );
  }

  const longest = Math.max(1, ...(list?.rows ?? []).map(({ trace }) => trace.duration_nano));
  const heatmap = roots?.heatmaps[0];
  return (
    <main className="home">
      <section className="tiles" aria-label="At a glance">
        <Tile what="Requests" of={roots} name="COUNT" to={queryAddress({ ...all, calculations: [{ op: 'COUNT' }], breakdowns: ['name'], limit: 50 })} colour="hue-2" say={(value) => rate(value, range)} small={(value) => count(value)} />
        <Tile
          what="Failed"
          of={failedRoots}
          name="COUNT"
          to={queryAddress({ ...bad, limit: 50 })}
          colour="hue-11"
          say={(value) => percentOf(value, numberOf(roots, 'COUNT') ?? 0)}
          small={(value) => count(value)}
          isBad={(value) => value > 0}
        />
        <Tile what="Median" of={roots} name="P50(duration_ms)" to={queryAddress({ ...all, limit: 50, breakdowns: ['name'] })} colour="hue-3" say={(value) => amount(value, 'duration_ms')} />
        <Tile what="95th percentile" of={roots} name="P95(duration_ms)" to={queryAddress({ ...all, limit: 50, breakdowns: ['name'] })} colour="hue-4" say={(value) => amount(value, 'duration_ms')} />
      </section>

      <section className="panel-card wide" aria-label="How long requests took">
        <header>
          <h2>How long requests took</h2>
          <label>
            <span className="hidden">Time</span>
            <select value={range} onChange={(event) => setQuery({ range: event.target.value })}>
              {RANGES.map(([seconds, words]) => (
                <option key={seconds} value={seconds}>
                  last {words}
                </option>
              ))}
            </select>
          </label>
          <span className="spacer" />
          <Link to={queryAddress({ ...all, limit: 50 })}>Query</Link>
        </header>
        {roots && heatmap && heatmap.edges.length > 1 ? (
          <HeatmapChart
            heatmap={heatmap}
            frame={frameOf(roots)}
            box={null}
            hover={hover}
            onHover={setHover}
            onBox={(box) => box && navigate(writeState({ spec: withTime({ ...all, limit: 50 }, roots.start, roots.end), dataset: null, box, tab: 'groups', scale: null }))}
          />
        ) : (
          <p className="empty">No request in this time.</p>
        )}
      </section>

      <section className="panel-card" aria-label="Recent traces">
        <header>
          <h2>Recent traces</h2>
          <Link to="/traces">All of them</Link>
        </header>
        <ul className="short-traces">
          {list?.rows.slice(0, ROWS).map(({ trace, isNew }) => (
            <li key={trace.trace_id} {...(isNew && { className: 'new' })}>
              <TraceRow trace={trace} longest={longest} />
            </li>
          ))}
        </ul>
      </section>

      <section className="panel-card" aria-label="Slowest routes">
        <header>
          <h2>Slowest routes</h2>
          <Link to={queryAddress({ ...slow, calculations: [{ op: 'HEATMAP', column: 'duration_ms' }, ...(slow.calculations ?? [])], limit: 50 })}>Query</Link>
        </header>
        <Ranking answer={routes} name="P95(duration_ms)" spec={slow} />
      </section>

      <section className="panel-card" aria-label="Errors">
        <header>
          <h2>Errors</h2>
          <Link to="/errors">All of them</Link>
        </header>
        {groups && groups.length > 0 ? (
          <ul className="ranking">
            {groups.map((group) => (
              <li key={group.id}>
                <Link to={`/errors/${encodeURIComponent(group.id)}`}>
                  {group.service && <i className={`dot ${hue(group.service)}`} />}
                  <span className="ranking-name">{group.title}</span>
                  <small>{ago(group.last_seen_unix_nano, Date.now())}</small>
                  <b>{count(group.count)}</b>
                </Link>
              </li>
            ))}
          </ul>
        ) : (
          <Ranking answer={failed} name="COUNT" spec={bad} none="Nothing has failed in this time." />
        )}
      </section>
    </main>
  );
}

interface TileProps {
  readonly what: string;
  readonly of: Answer | null;
  readonly name: string;
  readonly to: string;
  readonly colour: string;
  readonly say: (value: number) => string;
  readonly small?: (value: number) => string;
  readonly isBad?: (value: number) => boolean;
}

function Tile({ what, of, name, to, colour, say, small, isBad }: TileProps) {
  const value = numberOf(of, name);
  return (
    <Link to={to} className="tile" data-bad={value !== null && Boolean(isBad?.(value))}>
      <small>{what}</small>
      <b>
        {value === null ? '–' : say(value)} {value !== null && small && <span>{small(value)}</span>}
      </b>
      <Spark values={of?.totals.series[name] ?? []} colour={colour} />
    </Link>
  );
}

/** Groups by one value, with bars; a click asks about that group alone. */
function Ranking({ answer, name, spec, none = 'No span in this time.' }: { answer: Answer | null; name: string; spec: Spec; none?: string }) {
  if (answer?.rows.length === 0) return <p className="empty">{none}</p>;
  const most = Math.max(1e-9, ...(answer?.rows ?? []).map((row) => Number(row.values[name] ?? 0)));
  return (
    <ul className="ranking">
      {answer?.rows.map((row) => {
        const value = Number(row.values[name] ?? 0);
        const service = String(row.group['service.name']);
        const only = Object.entries(row.group).reduce((before, [column, each]) => (each === null ? before : withFilter(before, { column, op: '=', value: each })), spec);
        return (
          <li key={JSON.stringify(row.group)}>
            <Link to={queryAddress({ ...only, calculations: [{ op: 'HEATMAP', column: 'duration_ms' }, ...(spec.calculations ?? [])], limit: 50 })} title={service}>
              <i className={`dot ${hue(service)}`} />
              <span className="ranking-name">{String(row.group['name'])}</span>
              <span className="track">
                <i style={{ width: `${(100 * value) / most}%` }} />
              </span>
              <b>{amount(value, name)}</b>
            </Link>
          </li>
        );
      })}
    </ul>
  );
}

function numberOf(answer: Answer | null, name: string): number | null {
  const value = answer?.totals.values[name];
  return typeof value === 'number' ? value : null;
}

function frameOf({ times, granularity, start: asked }: Answer): Frame {
  const start = times[0] ?? asked;
  return { start, end: start + Math.max(times.length, 1) * granularity, granularity, times };
}
