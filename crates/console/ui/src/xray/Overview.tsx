import { useEffect, useMemo, useState } from 'react';

import { useAsked } from '../shared/ask';
import { useKeys } from '../shared/keys';
import { count, plural } from '../shared/format';
import { setQuery } from '../shared/location';
import { Icon } from '../shared/marks';
import { isNotHere, NotHere } from '../shared/NotHere';
import { groups, list, map } from './calls';
import type { Mapped } from './calls';
import { Details } from './Details';
import { both, stumble } from './model';
import { Refine } from './Refine';
import { ResponseTimes } from './ResponseTimes';
import { TraceMap } from './TraceMap';
import type { Chosen } from './TraceMap';
import { TraceTable } from './TraceTable';

const RANGES = [
  { minutes: 5, name: '5 min' },
  { minutes: 15, name: '15 min' },
  { minutes: 60, name: '1 h' },
  { minutes: 360, name: '6 h' },
  { minutes: 1_440, name: '24 h' },
] as const;
const USUAL = 60;

/** The map of all services and the traces of some time, narrowed by a filter expression. */
export function Overview({ address }: { address: string }) {
  const query = useMemo(() => new URL(address, location.origin).searchParams, [address]);
  const expression = query.get('filter') ?? '';
  const group = query.get('group');
  const minutes = RANGES.find((each) => String(each.minutes) === query.get('minutes'))?.minutes ?? USUAL;
  const [live, setLive] = useState(true);
  const key = JSON.stringify([minutes, group, expression]);
  const wanted = { minutes, group, expression };
  const listed = useAsked(key, async (signal) => ({ key, summaries: await list(wanted, signal) }), live);
  const summaries = listed.answer?.summaries;
  const traces = summaries?.TraceSummaries ?? [];
  // The map of many traces takes longer than their list. With an expression it is that of the list.
  const ofList = listed.answer?.key === key ? listed.answer.summaries : null;
  const mapKey = expression ? `${key} ${ofList?.TraceSummaries.map(({ Id }) => Id).join() ?? ''}` : key;
  const mapped = useAsked(mapKey, async (signal) => ({ mapKey, ...(await map(wanted, ofList, signal)) }), live && expression === '');
  const shown = mapped.answer?.graph ? (mapped.answer as Mapped) : null;
  const isMapOld = mapped.answer?.mapKey !== mapKey;
  const failure = listed.failure ?? mapped.failure;
  const known = useAsked('groups', groups, false).answer ?? [];
  const chosen = readChosen(query, shown);
  const add = (more: string) => setQuery({ filter: both(expression, more) });
  const wrong = failure?.status === 400 ? failure : null;

  useEffect(() => {
    document.title = 'X-Ray · Throughline';
  }, []);
  useKeys({
    j: () => step(1),
    k: () => step(-1),
    ArrowDown: () => step(1),
    ArrowUp: () => step(-1),
    e: () => add('!ok'),
    p: () => setLive(!live),
    Escape: () => (chosen === null ? setQuery({ filter: null }) : setQuery({ node: null })),
  });

  if (failure && isNotHere(failure)) return <NotHere view="X-Ray" failure={failure} />;
  return (
    <main className="xray">
      <div className="toolbar">
        <h1>X-Ray</h1>
        <FilterField expression={expression} wrong={wrong?.detail ?? null} />
        <label>
          <span className="hidden">Group</span>
          <select value={group ?? ''} onChange={(event) => setQuery({ group: event.target.value })}>
            <option value="">Every group</option>
            {known
              .filter(({ GroupName }) => GroupName !== 'Default')
              .map(({ GroupName, FilterExpression }) => (
                <option key={GroupName} value={GroupName} title={FilterExpression}>
                  {GroupName}
                </option>
              ))}
          </select>
        </label>
        <label>
          <span className="hidden">Time</span>
          <select value={minutes} onChange={(event) => setQuery({ minutes: event.target.value === String(USUAL) ? null : event.target.value })}>
            {RANGES.map((each) => (
              <option key={each.minutes} value={each.minutes}>
                last {each.name}
              </option>
            ))}
          </select>
        </label>
        <button type="button" className="live" data-state={live ? 'live' : 'paused'} aria-pressed={!live} onClick={() => setLive(!live)}>
          <Icon name={live ? 'pause' : 'play'} />
          {live ? 'Live' : 'Paused'}
        </button>
      </div>
      {failure !== null && wrong === null && (
        <p className="notice" role="alert">
          {failure.title}. {failure.detail}
        </p>
      )}
      <div className="xray-body" aria-busy={listed.isAsking} data-stale={wrong !== null}>
        <section className="xray-map" aria-label="Map">
          <header>
            <h2>Trace map</h2>
            <span className="soft">
              {shown === null ? '' : mapWords(shown, traces.length)}
              {isMapOld && shown !== null && wrong === null && <span className="waiting"> being worked out anew</span>}
            </span>
            <span className="spacer" />
            <Legend />
          </header>
          <div className="xray-map-row">
            <div className="xray-map-scroll">
              {shown !== null && shown.graph.Services.length > 0 && <TraceMap graph={shown.graph} chosen={chosen} onChoose={(next) => setQuery({ node: written(next, shown) })} />}
              {shown === null && wrong !== null && <Examples />}
              {shown === null && failure === null && (
                <p className="empty waiting" role="status">
                  The map is being worked out
                </p>
              )}
              {shown !== null && shown.graph.Services.length === 0 && <Nothing isFiltered={expression !== '' || group !== null} />}
            </div>
            {shown !== null && chosen !== null && <Details graph={shown.graph} chosen={chosen} minutes={minutes} onFilter={add} onChoose={(next) => setQuery({ node: written(next, shown) })} />}
          </div>
        </section>
        {summaries === undefined && failure === null && (
          <p className="empty waiting" role="status">
            The traces are being looked at
          </p>
        )}
        {traces.length > 0 && summaries !== undefined && (
          <div className="xray-traces">
            <aside className="xray-refine">
              <ResponseTimes traces={traces} onFilter={add} />
              <Refine traces={traces} wanted={query.get('by')} onFilter={add} />
            </aside>
            <section aria-label="Traces">
              <header>
                <h2>Traces</h2>
                <span className="soft">
                  {summaries.NextToken === undefined
                    ? `${plural(traces.length, 'trace')}${expression || group ? ` of ${count(summaries.TracesProcessedCount)} looked at` : ''}`
                    : `the newest ${count(traces.length)} of those found`}
                </span>
              </header>
              <TraceTable traces={traces} sort={query.get('sort')} />
            </section>
          </div>
        )}
      </div>
    </main>
  );
}

const EXAMPLES = ['!ok', 'fault', 'responsetime > 0.1', 'http.status = 404', 'service("gateway") { error }', 'http.url CONTAINS "/home"', 'partial'];

/** The expression is asked for with Enter; half an expression is none. */
function FilterField({ expression, wrong }: { expression: string; wrong: string | null }) {
  const [typed, setTyped] = useState(expression);
  const [seen, setSeen] = useState(expression);
  if (seen !== expression) {
    setSeen(expression);
    setTyped(expression);
  }
  const at = wrong === null ? null : stumble(wrong);
  return (
    <form
      className="xray-filter"
      role="search"
      onSubmit={(event) => {
        event.preventDefault();
        setQuery({ filter: typed.trim() });
      }}
    >
      <div className="find">
        <Icon name="search" />
        <input
          data-search
          type="text"
          value={typed}
          list="xray-examples"
          placeholder='Filter expression, such as service("gateway") { fault }'
          aria-label="Filter expression"
          aria-invalid={wrong !== null}
          aria-describedby="xray-wrong"
          autoComplete="off"
          spellCheck={false}
          onChange={(event) => setTyped(event.target.value)}
          onKeyDown={(event) => {
            if (event.key !== 'Escape') return;
            event.stopPropagation();
            if (typed !== '') {
              setTyped('');
              setQuery({ filter: null });
            } else event.currentTarget.blur();
          }}
        />
        <datalist id="xray-examples">
          {EXAMPLES.map((each) => (
            <option key={each} value={each} />
          ))}
        </datalist>
        {typed.trim() !== expression ? (
          <kbd>Enter</kbd>
        ) : expression !== '' ? (
          <button type="button" className="quiet" aria-label="Clear the filter" onClick={() => setQuery({ filter: null })}>
            <Icon name="close" />
          </button>
        ) : (
          <kbd>/</kbd>
        )}
      </div>
      {wrong !== null && (
        <output id="xray-wrong" className="xray-wrong" role="alert">
          {at === null ? (
            wrong
          ) : (
            <>
              <code>
                {expression.slice(0, at.at)}
                <mark>{expression.slice(at.at, at.at + 1) || ' '}</mark>
                {expression.slice(at.at + 1)}
              </code>
              <span>
                Not valid at character {at.at + 1}: {at.problem}
              </span>
            </>
          )}
        </output>
      )}
    </form>
  );
}

/** Of which traces the map is. */
function mapWords({ graph, isOfListed }: Mapped, listed: number): string {
  if (isOfListed) return `of the ${plural(listed, 'trace')} listed`;
  const { IsPartial, TracesProcessedCount } = graph;
  return IsPartial && TracesProcessedCount !== undefined ? `of the newest ${plural(TracesProcessedCount, 'trace')}: as many as could be looked at in time` : 'of every trace in this time';
}

function Legend() {
  return (
    <ul className="outcome-legend" aria-label="Colours">
      {(
        [
          ['ok', 'ok'],
          ['error', 'errors (4xx)'],
          ['throttle', 'throttles (429)'],
          ['fault', 'faults (5xx)'],
        ] as const
      ).map(([outcome, words]) => (
        <li key={outcome}>
          <i data-outcome={outcome} />
          {words}
        </li>
      ))}
    </ul>
  );
}

function Examples() {
  return (
    <div className="empty">
      <p>Expressions that are valid:</p>
      <p className="examples">
        {EXAMPLES.map((each) => (
          <button key={each} type="button" className="chip" onClick={() => setQuery({ filter: each })}>
            <code>{each}</code>
          </button>
        ))}
      </p>
    </div>
  );
}

function Nothing({ isFiltered }: { isFiltered: boolean }) {
  return (
    <p className="empty">
      {isFiltered ? (
        <>
          No trace of this time matches.{' '}
          <button type="button" className="link" onClick={() => setQuery({ filter: null, group: null })}>
            Show all
          </button>
        </>
      ) : (
        'No trace in this time. Segments are taken by the X-Ray daemon whose address is on the set-up page; what comes by OTLP is translated.'
      )}
    </p>
  );
}

/** Nodes are numbered anew with each answer: the address names them. */
function readChosen(query: URLSearchParams, found: Mapped | null): Chosen {
  const [from, to] = (query.get('node') ?? '').split(' → ');
  if (!from || found === null) return null;
  const idOf = (key: string) => found.graph.Services.find((service) => nameOf(service) === key)?.ReferenceId;
  const first = idOf(from);
  if (first === undefined) return null;
  if (to === undefined) return { node: first };
  const second = idOf(to);
  return second === undefined ? null : { from: first, to: second };
}

function written(chosen: Chosen, { graph }: Mapped): string | null {
  if (chosen === null) return null;
  const key = (id: number) => {
    const service = graph.Services.find(({ ReferenceId }) => ReferenceId === id);
    return service ? nameOf(service) : '';
  };
  return 'node' in chosen ? key(chosen.node) : `${key(chosen.from)} → ${key(chosen.to)}`;
}

function nameOf({ Name, Type }: { readonly Name: string; readonly Type?: string }): string {
  return Type === undefined ? Name : `${Name} (${Type})`;
}

function step(by: 1 | -1): void {
  const rows = [...document.querySelectorAll<HTMLElement>('.xray-table a')];
  const at = rows.indexOf(document.activeElement as HTMLElement);
  (at === -1 ? rows[0] : rows[at + by])?.focus();
}
