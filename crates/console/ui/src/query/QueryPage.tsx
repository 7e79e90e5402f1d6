import { useEffect, useMemo, useState } from 'react';

import { hue } from '../shared/colours';
import { count, duration, plural } from '../shared/format';
import { useKeys } from '../shared/keys';
import type { KeyHelp } from '../shared/keys';
import { Link } from '../shared/Link';
import { navigate } from '../shared/location';
import { useAsked, wordsOf } from '../shared/ask';
import type { ViewProps } from '../shared/view';
import { Builder } from './Builder';
import { listColumns, listDatasets, runQuery } from './calls';
import type { Answer } from './calls';
import { amount } from './chart';
import { Differs } from './Differs';
import { HeatmapChart } from './HeatmapChart';
import { remember } from './history';
import { Lines } from './Lines';
import type { Frame } from './Lines';
import { onceEach } from './rank';
import { Results } from './Results';
import { calculations, describe, keyOf, readState, shifted, tidy, withBreakdown, withFilter, withRange, withTime, writeState } from './spec';
import type { Filter, Scale, Spec, State } from './spec';
import { printFilter } from './text';
import { Toolbar } from './Toolbar';

import './query.css';

export const QUERY_KEYS: KeyHelp = {
  where: 'Query',
  keys: [
    { key: 'v w b o', does: 'Visualize, where, group by, order by' },
    { key: 'r', does: 'Run it again' },
    { key: '[ ]', does: 'Earlier, later' },
    { key: 'z', does: 'Twice the time' },
    { key: 'Esc', does: 'Close what differs' },
    { key: 's', does: 'Save the query' },
  ],
};

/** Lines in a chart: more cannot be told apart. */
const MOST_LINES = 12;

/** Ask, see how it spreads, drag a box, see what differs, open the trace. The address holds all of it. */
export function QueryPage({ address, stats }: ViewProps) {
  const state = useMemo(() => readState(address), [address]);
  const { spec, dataset, box, tab, scale } = state;
  const [turn, setTurn] = useState(0);
  const [isLive, setLive] = useState(false);
  const [hover, setHover] = useState<number | null>(null);
  const [pointed, setPointed] = useState<number | null>(null);

  const asked = tidy(spec);
  const key = JSON.stringify([asked, dataset, scale]);
  const { answer, failure, isAsking } = useAsked(`${key}${turn}`, (signal) => runQuery(asked, dataset, signal, scale), isLive);
  const columns = useAsked(`${dataset}${turn}`, (signal) => listColumns(dataset, signal), false).answer ?? [];
  const datasets = useAsked('datasets', listDatasets, false).answer ?? [];

  useEffect(() => {
    document.title = `${describe(spec, { filter: printFilter })} · Throughline`;
  }, [spec]);
  useEffect(() => {
    if (answer !== null) remember(spec, dataset, writeState({ ...state, box: null }));
    // Of each query once, when it has been answered.
  }, [key, answer === null]);
  const go = (changes: Partial<State>) => navigate(writeState({ spec, dataset, box, tab, scale, ...changes }));
  const change = (next: Spec) => go({ spec: next, box: null });
  const zoom = (start: number, end: number) => {
    setLive(false);
    change(withTime(spec, start, end));
  };
  const filter = (filters: readonly Filter[]) => change(filters.reduce(withFilter, spec));
  const focus = (clause: string) => document.querySelector<HTMLInputElement>(`[data-clause="${clause}"]`)?.focus();

  useKeys({
    v: () => focus('Visualize'),
    w: () => focus('Where'),
    b: () => focus('Group by'),
    o: () => focus('Order by'),
    r: () => setTurn(turn + 1),
    s: () => document.querySelector<HTMLButtonElement>('[data-menu=save]')?.click(),
    '[': () => answer && change(shifted(spec, answer, -1)),
    ']': () => answer && change(shifted(spec, answer, 1)),
    z: () => {
      if (!answer) return;
      const length = answer.end - answer.start;
      if (spec.start_time === undefined && spec.end_time === undefined) change(withRange(spec, length * 2));
      else zoom(answer.start - length / 2, answer.end + length / 2);
    },
    Escape: () => box && go({ box: null }),
  });

  const isEmpty = stats !== null && stats !== 'gone' && stats.spans === 0;
  return (
    <main className="query-page">
      <Toolbar
        spec={spec}
        dataset={dataset}
        datasets={datasets}
        answer={answer}
        isAsking={isAsking}
        isLive={isLive}
        onChange={change}
        onDataset={(next) => go({ dataset: next, box: null })}
        onRefresh={() => setTurn(turn + 1)}
        onLive={() => setLive(!isLive)}
      />
      <Builder spec={spec} dataset={dataset} columns={columns} onChange={change} />
      {(state.problem ?? failure) && (
        <p className="query-problem" role="alert">
          {state.problem ?? (failure && wordsOf(failure))}
        </p>
      )}
      {isEmpty && (
        <p className="query-problem">
          Nothing has arrived yet. <Link to="/set-up">How to send something here</Link>
        </p>
      )}
      {answer && (
        <div className="query-body" data-box={box !== null} data-stale={isAsking && !isLive}>
          <div className="query-main">
            <Charts answer={answer} spec={spec} box={box} pointed={pointed} hover={hover} onHover={setHover} onZoom={zoom} onBox={(next) => go({ box: next })} onScale={(next) => go({ scale: next })} />
            <div className="tabs" role="tablist">
              <button type="button" role="tab" aria-selected={tab === 'groups'} onClick={() => go({ tab: 'groups' })}>
                Groups <small>{count(answer.groups ?? answer.rows.length)}</small>
              </button>
              <button type="button" role="tab" aria-selected={tab === 'traces'} onClick={() => go({ tab: 'traces' })}>
                Slowest traces
              </button>
              <span className="spacer" />
              <span className="soft scanned">
                {plural(answer.matched ?? answer.scanned, 'span')} of {count(answer.scanned)}
                {answer.elapsed_ms !== undefined && ` in ${duration(answer.elapsed_ms * 1e6)}`}
                {Boolean(answer.behind) && `, ${count(answer.behind ?? 0)} stored ones not looked at yet`}
              </span>
            </div>
            {tab === 'groups' ? (
              <Results answer={answer} spec={spec} onPoint={setPointed} onFilter={filter} onOrder={(order) => change({ ...spec, orders: [order] })} />
            ) : (
              <SlowestTraces spec={asked} dataset={dataset} answer={answer} />
            )}
          </div>
          {box && (
            <Differs
              spec={asked}
              dataset={dataset}
              box={box}
              shown={answer}
              onFilter={filter}
              onBreakdown={(column) => change(withBreakdown(spec, column))}
              onZoom={zoom}
              onClose={() => go({ box: null })}
            />
          )}
        </div>
      )}
    </main>
  );
}

function Charts({ answer, spec, box, ...rest }: { answer: Answer; spec: Spec; box: State['box']; pointed: number | null; hover: number | null; onHover: (bucket: number | null) => void; onZoom: (start: number, end: number) => void; onBox: (box: State['box']) => void; onScale: (scale: Scale) => void }) {
  const { times, granularity } = answer;
  const start = times[0] ?? answer.start;
  const frame: Frame = { start, end: start + Math.max(times.length, 1) * granularity, granularity, times };
  const rows = answer.rows.slice(0, MOST_LINES);
  const names = [...(spec.formulas?.length ? spec.formulas.map(({ name }) => name) : calculations(spec).filter(({ op }) => op !== 'HEATMAP').map(keyOf))];
  const { pointed, hover, onHover, onZoom, onBox, onScale } = rest;
  return (
    <>
      {answer.heatmaps.map((heatmap) =>
        heatmap.edges.length < 2 ? (
          <p key={heatmap.column} className="soft no-chart">
            No span here has a number in <code>{heatmap.column}</code>.
          </p>
        ) : (
          <HeatmapChart key={heatmap.column} heatmap={heatmap} frame={frame} box={box} hover={hover} onHover={onHover} onBox={onBox} onScale={onScale} />
        ),
      )}
      <div className="lines">
        {names.map((name) => (
          <Lines key={name} name={name} frame={frame} rows={rows} earlier={answer.compare?.rows ?? []} pointed={pointed} hover={hover} onHover={onHover} onZoom={onZoom} />
        ))}
      </div>
    </>
  );
}

/** Spans asked for: a slow trace has several slow ones, and is shown once. */
const MOST_SPANS = 500;
const MOST_TRACES = 50;

/** A row for each of the traces with the slowest spans that the query finds. */
function SlowestTraces({ spec, dataset, answer }: { spec: Spec; dataset: string | null; answer: Answer }) {
  const within: Spec = {
    ...(spec.filters && { filters: spec.filters }),
    ...(spec.filter_combination && { filter_combination: spec.filter_combination }),
    ...(spec.calculated_fields && { calculated_fields: spec.calculated_fields }),
    calculations: [{ op: 'MAX', column: 'duration_ms' }],
    breakdowns: ['trace.trace_id', 'service.name', 'name'],
    orders: [{ op: 'MAX', column: 'duration_ms', order: 'descending' }],
    limit: MOST_SPANS,
    start_time: answer.start,
    end_time: answer.end,
  };
  const found = useAsked(JSON.stringify([within, dataset]), (signal) => runQuery(within, dataset, signal), false);
  if (found.failure)
    return (
      <p className="bad" role="alert">
        {wordsOf(found.failure)}
      </p>
    );
  const rows = onceEach(found.answer?.rows ?? []).slice(0, MOST_TRACES);
  const longest = Math.max(1e-9, ...rows.map((row) => Number(row.values['MAX(duration_ms)'] ?? 0)));
  return (
    <div className="results">
      <table>
        <thead>
          <tr>
            <th>Slowest span</th>
            <th className="number">Duration</th>
            <th />
            <th>Trace</th>
          </tr>
        </thead>
        <tbody>
          {rows.map((row) => {
            const value = Number(row.values['MAX(duration_ms)'] ?? 0);
            const id = String(row.group['trace.trace_id']);
            return (
              <tr key={JSON.stringify(row.group)}>
                <td className="group">
                  <i className={`dot ${hue(String(row.group['service.name']))}`} />
                  <span className="soft">{String(row.group['service.name'])}</span> <Link to={`/trace/${id}`}>{String(row.group['name'])}</Link>
                </td>
                <td className="number">{amount(value, 'duration_ms')}</td>
                <td className="length">
                  <span className="track">
                    <i style={{ width: `${(100 * value) / longest}%` }} />
                  </span>
                </td>
                <td>
                  <Link to={`/trace/${id}`}>
                    <code>{id}</code>
                  </Link>
                </td>
              </tr>
            );
          })}
        </tbody>
      </table>
    </div>
  );
}
