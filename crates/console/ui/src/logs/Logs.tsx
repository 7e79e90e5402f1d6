import './logs.css';

import { useEffect, useMemo, useState } from 'react';

import { getJson, useAsked } from '../shared/ask';
import { clock, count, plural } from '../shared/format';
import { useKeys } from '../shared/keys';
import type { KeyHelp } from '../shared/keys';
import { setQuery } from '../shared/location';
import { Icon } from '../shared/marks';
import { isNotHere, NotHere } from '../shared/NotHere';
import type { ViewProps } from '../shared/view';
import { Lines } from './Lines';
import { LEVELS, readFilters, wordsOf } from './model';
import type { Filters, LogGroup } from './model';
import { useLogs } from './useLogs';

export const LOGS_KEYS: KeyHelp = {
  where: 'Logs',
  keys: [
    { key: 'j k', does: 'Next, previous line (also the arrow keys)' },
    { key: 'Enter', does: 'Open, close the line' },
    { key: 'e', does: 'Only errors' },
    { key: 'p', does: 'Pause the tail, go on' },
    { key: 'Esc', does: 'Close the line; clear the search' },
  ],
};

export function Logs({ address }: ViewProps) {
  const query = useMemo(() => new URL(address, location.origin).searchParams, [address]);
  const filters = useMemo(() => readFilters(query), [query]);
  const [paused, setPaused] = useState(false);
  const isPast = filters.end !== undefined;
  const { events, next, failure, live, truncated, older } = useLogs(filters, !paused && !isPast);
  const opened = query.get('line');
  const words = useMemo(() => (/^[{[%?]/.test(filters.q ?? '') ? [] : wordsOf(filters.q ?? '')), [filters.q]);
  const open = (id: string | null) => setQuery({ line: id });

  useEffect(() => {
    document.title = 'Logs · Throughline';
  }, []);
  // A link leads to a line.
  const isThere = events !== null;
  useEffect(() => {
    if (isThere && opened !== null) document.querySelector(`[data-line="${CSS.escape(opened)}"]`)?.scrollIntoView({ block: 'center' });
    // Only when the lines come first: later the reader scrolls.
  }, [isThere]);
  useKeys({
    j: () => step(1),
    k: () => step(-1),
    ArrowDown: () => step(1),
    ArrowUp: () => step(-1),
    e: () => setQuery({ level: filters.level === 'error' ? null : 'error' }),
    p: () => setPaused(!paused),
    Escape: () => (opened === null ? setQuery({ q: null }) : open(null)),
  });

  if (failure && isNotHere(failure)) return <NotHere view="Logs" failure={failure} />;
  return (
    <main className="logs">
      <div className="toolbar">
        <h1>Logs</h1>
        <SearchField words={filters.q ?? ''} />
        <Levels chosen={filters.level ?? ''} />
        <Groups filters={filters} />
        <Chips filters={filters} />
        <span className="spacer" />
        {failure && (
          <span className="bad" role="alert">
            {failure.status === 400 ? failure.detail : `${failure.title}. ${failure.detail}`}
          </span>
        )}
        {!isPast && (
          <button type="button" className="live" data-state={paused ? 'paused' : live ? 'live' : 'polling'} aria-pressed={paused} onClick={() => setPaused(!paused)}>
            <Icon name={paused ? 'play' : 'pause'} />
            {paused ? 'Paused' : live ? 'Live' : 'Connecting'}
          </button>
        )}
      </div>
      <div className="logs-body" aria-busy={events === null}>
        {truncated && <p className="notice">More came at once than is shown here. A narrower filter shows all of it.</p>}
        {events !== null && events.length > 0 && <Lines events={events} words={words} opened={opened} onOpen={open} />}
        {events !== null && events.length === 0 && <Nothing isFiltered={Object.keys(filters).length > 0} />}
        {next !== null && (
          <p className="older">
            <button type="button" className="button" onClick={older}>
              Older
            </button>{' '}
            <span className="soft">{plural(events?.length ?? 0, 'line')} so far</span>
          </p>
        )}
      </div>
    </main>
  );
}

/** A moment after the last letter. */
const PATIENCE_MS = 250;

function SearchField({ words }: { words: string }) {
  const [typed, setTyped] = useState(words);
  const [seen, setSeen] = useState(words);
  if (seen !== words) {
    setSeen(words);
    setTyped(words);
  }
  useEffect(() => {
    if (typed.trim() === words) return;
    const timer = setTimeout(() => setQuery({ q: typed.trim() }), PATIENCE_MS);
    return () => clearTimeout(timer);
  }, [typed, words]);
  return (
    <form
      className="find"
      role="search"
      onSubmit={(event) => {
        event.preventDefault();
        setQuery({ q: typed.trim() });
      }}
    >
      <Icon name="search" />
      <input
        data-search
        type="text"
        value={typed}
        placeholder='Words, "a phrase", or { $.level = "ERROR" && $.user_id = * }'
        aria-label="Search in the lines: words, or a filter pattern of CloudWatch"
        autoComplete="off"
        spellCheck={false}
        onChange={(event) => setTyped(event.target.value)}
        onKeyDown={(event) => {
          if (event.key !== 'Escape') return;
          event.stopPropagation();
          if (typed) setTyped('');
          else event.currentTarget.blur();
        }}
      />
      {typed === '' ? (
        <kbd>/</kbd>
      ) : (
        <button type="button" className="quiet" aria-label="Clear the search" onClick={() => setTyped('')}>
          <Icon name="close" />
        </button>
      )}
    </form>
  );
}

function Levels({ chosen }: { chosen: string }) {
  const known = new Set(chosen.split(',').filter(Boolean));
  const toggle = (level: string) => {
    const next = new Set(known);
    if (!next.delete(level)) next.add(level);
    setQuery({ level: LEVELS.filter((each) => next.has(each)).join(',') });
  };
  return (
    <div className="segmented" role="group" aria-label="Levels">
      {LEVELS.map((level) => (
        <button key={level} type="button" className="toggle-button level" data-note={level} aria-pressed={known.has(level)} onClick={() => toggle(level)}>
          {level}
        </button>
      ))}
    </div>
  );
}

function Groups({ filters }: { filters: Filters }) {
  const groups = useAsked('groups', (signal) => getJson<{ groups: readonly LogGroup[] }>('/api/logs/groups', signal), true).answer?.groups ?? [];
  const group = groups.find(({ name }) => name === filters.group);
  return (
    <>
      <label>
        <span className="hidden">Group</span>
        <select value={filters.group ?? ''} onChange={(event) => setQuery({ group: event.target.value, stream: null })}>
          <option value="">Every group</option>
          {groups.map(({ name, events, retention_days }) => (
            <option key={name} value={name}>
              {name} ({count(events)}
              {retention_days === null ? '' : `, ${retention_days} d`})
            </option>
          ))}
          {filters.group !== undefined && !group && <option>{filters.group}</option>}
        </select>
      </label>
      {(group || filters.stream !== undefined) && (
        <label>
          <span className="hidden">Stream</span>
          <select className="streams" value={filters.stream ?? ''} onChange={(event) => setQuery({ stream: event.target.value })}>
            <option value="">Every stream</option>
            {group?.streams.map((stream) => (
              <option key={stream}>{stream}</option>
            ))}
            {filters.stream !== undefined && !group?.streams.includes(filters.stream) && <option>{filters.stream}</option>}
          </select>
        </label>
      )}
    </>
  );
}

/** What else the list is narrowed to, each with a way out. */
function Chips({ filters: { trace_id, span_id, start, end } }: { filters: Filters }) {
  const now = Date.now();
  return (
    <>
      {trace_id !== undefined && <Chip words={`trace ${trace_id.slice(0, 8)}…`} of={['trace_id', 'span_id']} />}
      {span_id !== undefined && <Chip words={`span ${span_id}`} of={['span_id']} />}
      {(start !== undefined || end !== undefined) && <Chip words={`${start === undefined ? '' : clock(Number(start), now)} – ${end === undefined ? 'now' : clock(Number(end), now)}`} of={['start', 'end']} />}
    </>
  );
}

function Chip({ words, of }: { words: string; of: readonly string[] }) {
  return (
    <button type="button" className="toggle-button" aria-pressed="true" title="Show others too" onClick={() => setQuery(Object.fromEntries(of.map((name) => [name, null])))}>
      {words} <Icon name="close" />
    </button>
  );
}

function Nothing({ isFiltered }: { isFiltered: boolean }) {
  return (
    <div className="empty">
      {isFiltered ? (
        <p>
          No line matches.{' '}
          <button type="button" className="link" onClick={() => setQuery({ q: null, group: null, stream: null, level: null, trace_id: null, span_id: null, start: null, end: null })}>
            Show all
          </button>
        </p>
      ) : (
        <p>No log line yet. Lines come from any CloudWatch Logs client whose endpoint is this address; the set-up page shows how.</p>
      )}
    </div>
  );
}

function step(by: 1 | -1): void {
  const rows = [...document.querySelectorAll<HTMLElement>('[data-line]')];
  const at = rows.indexOf(document.activeElement as HTMLElement);
  (at === -1 ? rows[0] : rows[at + by])?.focus();
}
