import { useEffect, useMemo, useRef, useState } from 'react';

import { SetUp } from '../setup/SetUp';
import type { Filter } from '../shared/api';
import { parseMilliseconds } from '../shared/format';
import { navigate, setQuery } from '../shared/location';
import { useKeys } from '../shared/keys';
import type { KeyHelp } from '../shared/keys';
import { Icon } from '../shared/marks';
import type { ViewProps } from '../shared/view';
import { TraceRow } from './TraceRow';
import { useTraces } from './useTraces';
import type { List } from './useTraces';

import './traces.css';

/** Rows at first; "older" asks for as many again, up to what the API gives at once. */
const PAGE = 100;
const MOST = 1_000;

export const TRACES_KEYS: KeyHelp = {
  where: 'Traces',
  keys: [
    { key: 'j k', does: 'Next, previous trace' },
    { key: 'Enter', does: 'Open the trace' },
    { key: 'e', does: 'Only traces with errors' },
    { key: 'p', does: 'Pause, go on' },
    { key: 'd', does: 'Compare the trace with another: press it on both' },
  ],
};

export function Traces({ address, stats }: ViewProps) {
  const filter = useMemo(() => readFilter(address), [address]);
  const [paused, setPaused] = useState(false);
  const [limit, setLimit] = useState(PAGE);
  const { list, failure, live } = useTraces(filter, limit, paused);
  const services = useServices(list);
  const rows = list?.rows ?? [];
  const isFiltered = filter.service !== null || filter.min_duration_ms !== null || filter.error;
  const longest = Math.max(1, ...rows.map(({ trace }) => trace.duration_nano));

  const marked = new URL(address, location.origin).searchParams.get('with');
  const compare = (id: string | undefined) => {
    if (!id) return;
    if (marked === null) setQuery({ with: id });
    else if (marked === id) setQuery({ with: null });
    else navigate(`/compare/${marked}/${id}`);
  };

  useEffect(() => {
    document.title = 'Traces · Throughline';
  }, []);
  useKeys({
    j: () => step(1),
    k: () => step(-1),
    ArrowDown: () => step(1),
    ArrowUp: () => step(-1),
    e: () => setQuery({ error: filter.error ? null : 'true' }),
    p: () => setPaused(!paused),
    d: () => compare((document.activeElement as HTMLElement | null)?.dataset['traceId']),
    Escape: () => setQuery({ with: null }),
  });

  if (list !== null && rows.length === 0 && !isFiltered) {
    return (
      <main className="note">
        <h1>No trace yet</h1>
        <p className="waiting" role="status">
          {live ? 'Listening. The first one appears here by itself.' : 'Asking every two seconds.'}
        </p>
        <SetUp stats={stats} />
      </main>
    );
  }

  return (
    <main className="traces-page">
      <div className="toolbar">
        <h1>Recent traces</h1>
        <Filters filter={filter} services={services} />
        <span className="spacer" />
        {marked !== null && (
          <span className="soft">
            Compare with which one? <kbd>Esc</kbd> for none
          </span>
        )}
        {failure && (
          <span className="bad" role="alert">
            {failure}
          </span>
        )}
        <button type="button" className="live" data-state={paused ? 'paused' : live ? 'live' : 'polling'} aria-pressed={paused} onClick={() => setPaused(!paused)}>
          <Icon name={paused ? 'play' : 'pause'} />
          {paused ? 'Paused' : live ? 'Live' : 'Every 2 s'}
        </button>
      </div>
      <div className="traces" aria-busy={list === null}>
        <div className="trace-row trace-head" aria-hidden="true">
          <span>Time</span>
          <span>Root</span>
          <span>Duration</span>
          <span className="number">Spans</span>
          <span>Services</span>
        </div>
        <ul>
          {rows.map(({ trace, isNew }) => (
            <li key={trace.trace_id} data-marked={marked === trace.trace_id} {...(isNew && { className: 'new' })}>
              <TraceRow trace={trace} longest={longest} />
              <button type="button" className="row-compare" aria-pressed={marked === trace.trace_id} onClick={() => compare(trace.trace_id)}>
                {marked === null ? 'compare' : marked === trace.trace_id ? 'chosen' : 'compare with this'}
              </button>
            </li>
          ))}
        </ul>
        {list !== null && rows.length === 0 && (
          <p className="empty">
            No trace matches.{' '}
            <button type="button" className="link" onClick={() => setQuery({ service: null, min: null, error: null })}>
              Show all
            </button>
          </p>
        )}
        {list?.hasOlder && limit < MOST && (
          <p className="older">
            <button type="button" className="button" onClick={() => setLimit(Math.min(limit + PAGE, MOST))}>
              Older
            </button>
          </p>
        )}
      </div>
    </main>
  );
}

function Filters({ filter, services }: { filter: Filter; services: readonly string[] }) {
  const [typed, setTyped] = useState(filter.min_duration_ms === null ? '' : `${filter.min_duration_ms} ms`);
  const milliseconds = parseMilliseconds(typed);
  const isWrong = typed.trim() !== '' && milliseconds === null;
  return (
    <form className="filters" aria-label="Filters" onSubmit={(event) => event.preventDefault()}>
      <label>
        <span className="hidden">Service</span>
        <select value={filter.service ?? ''} onChange={(event) => setQuery({ service: event.target.value })}>
          <option value="">Every service</option>
          {services.map((service) => (
            <option key={service}>{service}</option>
          ))}
        </select>
      </label>
      <label>
        <span>at least</span>
        <input
          type="text"
          value={typed}
          placeholder="0 ms"
          size={7}
          aria-label="Minimum duration, such as 250 ms or 1.5 s"
          aria-invalid={isWrong}
          onChange={(event) => {
            setTyped(event.target.value);
            const wanted = parseMilliseconds(event.target.value);
            if (wanted !== null || event.target.value.trim() === '') setQuery({ min: wanted === null || wanted === 0 ? null : String(wanted) });
          }}
        />
      </label>
      <label className="toggle">
        <input type="checkbox" checked={filter.error} onChange={(event) => setQuery({ error: event.target.checked ? 'true' : null })} />
        <span>Errors only</span>
      </label>
    </form>
  );
}

function readFilter(address: string): Filter {
  const query = new URL(address, location.origin).searchParams;
  return { service: query.get('service'), min_duration_ms: parseMilliseconds(query.get('min') ?? ''), error: query.get('error') === 'true' };
}

/** Every service that was seen since the page was opened; a filter must not take away the others' names. */
function useServices(list: List | null): readonly string[] {
  const seen = useRef(new Set<string>());
  const query = new URLSearchParams(location.search).get('service');
  if (query) seen.current.add(query);
  for (const { trace } of list?.rows ?? []) for (const service of trace.services) seen.current.add(service);
  return [...seen.current].sort();
}

function step(by: 1 | -1): void {
  const rows = [...document.querySelectorAll<HTMLElement>('a.trace-row')];
  const at = rows.indexOf(document.activeElement as HTMLElement);
  const next = at === -1 ? rows[0] : rows[at + by];
  next?.focus();
}
