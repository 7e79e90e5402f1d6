import { useCallback, useDeferredValue, useEffect, useMemo, useRef, useState } from 'react';

import { criticalPath } from './critical';
import { afterPaint } from '../shared/afterPaint';
import { hue } from '../shared/colours';
import { ago, clock, count, duration, plural } from '../shared/format';
import { setQuery } from '../shared/location';
import { originsOf, pathOf } from './path';
import type { Station } from './path';
import { search } from './search';
import type { Trace } from '../shared/shapes';
import type { Loaded } from './load';
import { rowsOf } from './rows';
import type { Note } from './rows';
import { ancestorsOf, Forest } from './tree';
import { Copy, copyText } from '../shared/Copy';
import { useKeys } from '../shared/keys';
import { Icon } from '../shared/marks';
import { Panel } from './Panel';
import { useNotes } from './useNotes';
import { useTrace } from './useTrace';
import { Waterfall } from './Waterfall';
import type { View } from '../shared/useDragRange';

import './trace.css';
import './panel.css';
import './said.css';

/** Past this many closed subtrees the address would grow beyond what people can send; then it stays as it is. */
const MOST_CLOSED_IN_ADDRESS = 40;
const NO_NOTES: ReadonlyMap<string, readonly Note[]> = new Map();

export function TracePage({ id, address }: { id: string; address: string }) {
  const { loaded, failure } = useTrace(id);
  useEffect(() => {
    document.title = `${id.slice(0, 8)}… · Throughline`;
  }, [id]);

  if (loaded === null) {
    if (failure?.status === 404) {
      return (
        <main className="note">
          <h1>This trace has not arrived</h1>
          <p className="waiting" role="status">
            Listening for <code>{id}</code>. It appears here by itself.
          </p>
          <p>Spans are sent when they end, and browsers and services send them in batches: a few seconds are common. It never comes when it was not sampled.</p>
        </main>
      );
    }
    return (
      <main className="note" aria-busy={failure === null}>
        {failure && (
          <>
            <h1>{failure.status === 410 ? 'This trace was pruned' : failure.title}</h1>
            <p role="alert">{failure.detail}</p>
          </>
        )}
      </main>
    );
  }
  return <TraceView loaded={loaded} address={address} />;
}

function TraceView({ loaded, address }: { loaded: Loaded; address: string }) {
  const { trace, columns, whole } = loaded;
  const query = useMemo(() => new URL(address, location.origin).searchParams, [address]);
  const selected = query.get('span');
  const words = query.get('q') ?? '';
  const isCritical = query.get('critical') === 'true';
  const [closed, setClosed] = useState(() => new Set((query.get('closed') ?? '').split(',').filter(Boolean)));
  const [opened, setOpened] = useState(() => new Set((query.get('open') ?? '').split(',').filter(Boolean)));
  const logs = query.get('logs') ?? '';

  const forest = useMemo(() => new Forest(columns), [columns]);
  const notes = useNotes(trace.trace_id, forest);
  const shownNotes = useMemo(() => (logs === '' ? NO_NOTES : logs === 'all' ? notes.bySpan : new Map(logs.split(',').map((id) => [id, notes.bySpan.get(id) ?? []]))), [logs, notes]);
  const rows = useMemo(() => rowsOf(forest, { closed, opened, notes: shownNotes }), [forest, closed, opened, shownNotes]);
  // Of a very large trace typing does not wait for what is found.
  const sought = useDeferredValue(words);
  const find = useCallback((text: string) => search(forest.nodes, text, notes.all.length > 0 ? (id) => (notes.bySpan.get(id) ?? []).map((note) => note.text).join('\n') : undefined), [forest, notes]);
  const found = useMemo(() => (sought ? find(sought) : null), [find, sought]);
  const foundSet = useMemo(() => found && new Set(found), [found]);
  const critical = useMemo(() => (isCritical && forest.roots[0] ? criticalPath(forest.roots[0], trace.start_unix_nano + trace.duration_nano) : null), [isCritical, forest, trace]);
  const wholeView: View = useMemo(() => ({ from: 0, to: Math.max(trace.duration_nano, 1) }), [trace.duration_nano]);
  const view = readView(query.get('zoom')) ?? wholeView;

  // Where the keys go on from after the details were closed.
  const cursor = useRef<string | null>(selected);
  if (selected !== null) cursor.current = selected;

  const close = (next: Set<string>) => {
    setClosed(next);
    if (next.size <= MOST_CLOSED_IN_ADDRESS) setQuery({ closed: [...next].join(',') });
  };
  const open = (next: Set<string>) => {
    setOpened(next);
    if (next.size <= MOST_CLOSED_IN_ADDRESS) setQuery({ open: [...next].join(',') });
  };
  const toggle = (id: string) => {
    const isRepeat = id.startsWith('repeat-');
    const next = new Set(isRepeat ? opened : closed);
    if (!next.delete(id)) next.add(id);
    (isRepeat ? open : close)(next);
  };
  const select = (id: string | null) => {
    if (id !== null) {
      const above = ancestorsOf(forest, id);
      const hidden = above.filter((ancestor) => closed.has(ancestor));
      if (hidden.length > 0) close(new Set([...closed].filter((each) => !hidden.includes(each))));
      const folded = above.filter((each) => each.startsWith('repeat-') && !opened.has(each));
      if (folded.length > 0) open(new Set([...opened, ...folded]));
    }
    setQuery({ span: id });
  };
  const toggleNotes = (spanId: string) => {
    const shown = logs === 'all' ? [...notes.bySpan.keys()] : logs.split(',').filter(Boolean);
    setQuery({ logs: (shown.includes(spanId) ? shown.filter((each) => each !== spanId) : [...shown, spanId]).join(',') });
  };
  const zoom = (next: View | null) => setQuery({ zoom: next === null ? null : `${Math.round(next.from)}-${Math.round(next.to)}` });

  /** The row of the cursor; when that is in a closed subtree, the row of the subtree. */
  const at = () => {
    const id = cursor.current;
    const place = rows.placeOf(id);
    if (place !== -1 || id === null) return place;
    for (const above of ancestorsOf(forest, id)) {
      const row = rows.placeOf(above);
      if (row !== -1) return row;
    }
    return -1;
  };
  const move = (by: number) => {
    const from = at();
    const next = rows.at(from === -1 ? 0 : Math.min(Math.max(from + by, 0), rows.length - 1));
    if (next) setQuery({ span: next.id });
  };
  /** The next of `ids` (in the order of the waterfall) after the cursor, and round again. */
  const jump = (ids: readonly string[], by: 1 | -1) => {
    if (ids.length === 0) return;
    const from = forest.rankOf(cursor.current ?? '');
    const places = ids.map((id) => forest.rankOf(id));
    const next = by === 1 ? places.findIndex((place) => place > from) : places.findLastIndex((place) => place < from);
    select(ids[next === -1 ? (by === 1 ? 0 : ids.length - 1) : next] ?? null);
  };
  const foundNow = () => (sought === words ? (found ?? []) : find(words));
  const origins = () => originsOf(forest);

  useKeys({
    j: () => move(1),
    ArrowDown: () => move(1),
    k: () => move(-1),
    ArrowUp: () => move(-1),
    PageDown: () => move(20),
    PageUp: () => move(-20),
    Home: () => select(rows.at(0)?.id ?? null),
    End: () => select(rows.at(rows.length - 1)?.id ?? null),
    ArrowLeft: () => {
      const row = rows.at(at());
      if (!row) return;
      if (row.hasChildren && !row.collapsed) toggle(row.id);
      else if (row.note) select(row.note.spanId);
      else if (row.repeat) select(row.repeat.nodes[0]?.parent?.id ?? null);
      else if (row.node?.parent) select(row.node.parent.id);
    },
    ArrowRight: () => {
      const row = rows.at(at());
      if (!row?.hasChildren) return;
      if (row.collapsed) toggle(row.id);
      else move(1);
    },
    Enter: () => {
      if (selected === null) select(cursor.current ?? rows.at(0)?.id ?? null);
      else document.querySelector<HTMLElement>('.panel')?.focus();
    },
    Escape: () => {
      if (selected !== null) select(null);
      else if (words) setQuery({ q: null });
      else zoom(null);
    },
    n: () => jump(foundNow(), 1),
    N: () => jump(foundNow(), -1),
    e: () => jump(origins(), 1),
    E: () => jump(origins(), -1),
    c: () => setQuery({ critical: isCritical ? null : 'true' }),
    z: () => {
      const node = forest.get(cursor.current ?? '');
      if (!node || query.has('zoom')) return zoom(null);
      const from = node.span.start_unix_nano - trace.start_unix_nano;
      zoom({ from, to: from + Math.max(node.span.duration_nano, 1_000) });
    },
    l: () => setQuery({ logs: logs === 'all' ? null : 'all' }),
    '*': () => {
      close(new Set());
      open(new Set(forest.repeats.map(({ id }) => id)));
    },
    '-': () => {
      close(new Set(forest.nodes.filter((node) => node.parent?.parent === null && node.children.length > 0).map(({ id }) => id)));
      open(new Set());
    },
    y: () => void copyText(trace.trace_id),
  });

  const chosen = selected === null ? undefined : forest.get(selected);
  return (
    <main className="trace-page">
      <TraceHeader trace={trace} forest={forest} />
      <div className="toolbar trace-tools">
        <SearchField words={words} found={found} at={cursor.current} whole={whole} onJump={(by) => jump(foundNow(), by)} />
        <button type="button" className="toggle-button" aria-pressed={isCritical} onClick={() => setQuery({ critical: isCritical ? null : 'true' })} title="What the end of the trace waited for">
          Critical path <kbd>c</kbd>
        </button>
        {forest.failed > 0 && (
          <button type="button" className="toggle-button bad" onClick={() => jump(origins(), 1)}>
            <Icon name="warn" />
            Next error <kbd>e</kbd>
          </button>
        )}
        {notes.all.length > 0 && (
          <button type="button" className="toggle-button" aria-pressed={logs === 'all'} onClick={() => setQuery({ logs: logs === 'all' ? null : 'all' })} title="What was logged and reported, below the span that said it">
            {[notes.logs.size > 0 && plural(notes.logs.size, 'log line'), notes.errors.size > 0 && plural(notes.errors.size, 'reported error')].filter(Boolean).join(', ')} <kbd>l</kbd>
          </button>
        )}
        {query.has('zoom') && (
          <button type="button" className="toggle-button" onClick={() => zoom(null)}>
            Whole trace <kbd>z</kbd>
          </button>
        )}
        <span className="spacer" />
        {!whole && <span className="soft">A very large trace: attributes are fetched span by span</span>}
      </div>
      <div className="trace-body" data-panel={selected !== null}>
        <Waterfall
          traceStart={trace.start_unix_nano}
          forest={forest}
          rows={rows}
          selected={selected}
          found={foundSet}
          critical={critical}
          whole={wholeView}
          view={view}
          notes={notes.bySpan}
          onSelect={select}
          onToggle={toggle}
          onNotes={toggleNotes}
          onZoom={zoom}
        />
        {selected !== null && <Panel key={selected} trace={trace} forest={forest} id={selected} node={chosen} rows={rows} whole={whole} notes={notes} onSelect={select} onToggle={toggle} />}
      </div>
    </main>
  );
}

function TraceHeader({ trace, forest }: { trace: Trace; forest: Forest }) {
  const { failed } = forest;
  const root = forest.roots.find(({ place }) => place === 'root');
  const first = root ?? (forest.size > 0 ? forest.node(forest.order[0]!) : undefined);
  const now = Date.now();
  const path = usePath(forest);
  const name = first?.span.name;
  useEffect(() => {
    if (name) document.title = `${name} · ${duration(trace.duration_nano)} · Throughline`;
  }, [name, trace.duration_nano]);
  const roots = forest.roots.filter(({ place }) => place === 'root').length;
  return (
    <header className="trace-header">
      <div className="trace-title">
        {first && <span className={`chip ${hue(first.span.service)}`}>{first.span.service}</span>}
        <h1>{first?.span.name ?? 'No spans'}</h1>
        <dl className="facts">
          <div>
            <dt>Duration</dt>
            <dd>
              <b>{duration(trace.duration_nano)}</b>
            </dd>
          </div>
          <div title={ago(trace.start_unix_nano, now)}>
            <dt>Start</dt>
            <dd>{clock(trace.start_unix_nano, now)}</dd>
          </div>
          <div>
            <dt>Spans</dt>
            <dd>{count(forest.size)}</dd>
          </div>
          <div {...(failed > 0 && { className: 'bad' })}>
            <dt>Errors</dt>
            <dd>{count(failed)}</dd>
          </div>
          <div>
            <dt>Trace id</dt>
            <dd>
              <Copy text={trace.trace_id} what="the trace id as W3C writes it">
                <code>{trace.trace_id}</code>
              </Copy>
            </dd>
          </div>
          <div>
            <dt>X-Ray</dt>
            <dd>
              <Copy text={trace.xray_trace_id} what="the trace id as X-Ray writes it">
                <code>{trace.xray_trace_id.slice(0, 10)}…</code>
              </Copy>
            </dd>
          </div>
        </dl>
      </div>
      <Path steps={path} />
      {!root && forest.size > 0 && (
        <p className="notice waiting" role="status">
          The root has not arrived yet: this is what there is so far. The page updates itself.
        </p>
      )}
      {roots > 1 && <p className="notice">{roots} spans have no parent. A trace has one root; these are shown one below the other.</p>}
      {trace.pruned_unix_nano !== null && <p className="notice">Earlier spans of this trace were pruned at {clock(trace.pruned_unix_nano, now)}; these came after that.</p>}
    </header>
  );
}

/** Above this many spans the path is worked out after the rows are there, which are what one waits for. */
const MOST_AT_ONCE = 20_000;

function usePath(forest: Forest): readonly (readonly Station[])[] {
  const isLarge = forest.size > MOST_AT_ONCE;
  const [later, setLater] = useState<readonly (readonly Station[])[]>([]);
  useEffect(() => {
    if (!isLarge) return;
    return afterPaint(() => setLater(pathOf(forest)));
  }, [forest, isLarge]);
  const now = useMemo(() => (isLarge ? null : pathOf(forest)), [forest, isLarge]);
  return now ?? later;
}

/** browser → frontend-proxy → gateway → activities, users → PostgreSQL */
function Path({ steps }: { steps: readonly (readonly Station[])[] }) {
  const all = steps.flat();
  const total = Math.max(
    1,
    all.reduce((sum, { own }) => sum + own, 0),
  );
  return (
    <ol className="path" aria-label="The path of the trace">
      {steps.map((stations, step) => (
        <li key={step}>
          {stations.map((station) => (
            <button
              key={station.name}
              type="button"
              className={`station ${hue(station.name)}`}
              title={`${plural(station.spans, 'span')}, ${duration(station.own)} of its own time${station.failed ? `, ${plural(station.failed, 'error')} began here` : ''}. Click to find them`}
              onClick={() => setQuery({ q: `service:${station.name.includes(' ') ? `"${station.name}"` : station.name}` })}
            >
              <i className="dot" />
              <b>{station.name}</b>
              <small>
                {count(station.spans)} · {Math.round((100 * station.own) / total)} %
              </small>
              {station.failed > 0 && <Icon name="warn" />}
            </button>
          ))}
        </li>
      ))}
    </ol>
  );
}

function SearchField({ words, found, at, whole, onJump }: { words: string; found: readonly string[] | null; at: string | null; whole: boolean; onJump: (by: 1 | -1) => void }) {
  const [typed, setTyped] = useState(words);
  const [seen, setSeen] = useState(words);
  // The address changed from elsewhere: a click on a station, the back button.
  if (seen !== words) {
    setSeen(words);
    setTyped(words);
  }
  const place = found && at !== null ? found.indexOf(at) + 1 : 0;
  const input = (text: string) => {
    setTyped(text);
    setSeen(text.trim());
    setQuery({ q: text.trim() });
  };
  return (
    <form
      className="find"
      role="search"
      onSubmit={(event) => {
        event.preventDefault();
        onJump(1);
      }}
    >
      <Icon name="search" />
      <input
        data-search
        type="text"
        value={typed}
        placeholder={whole ? 'Find in names, services, attributes; or key=value' : 'Find in names and services'}
        aria-label="Find in this trace"
        autoComplete="off"
        spellCheck={false}
        onChange={(event) => input(event.target.value)}
        onKeyDown={(event) => {
          if (event.key !== 'Escape') return;
          event.stopPropagation();
          if (typed) input('');
          else event.currentTarget.blur();
        }}
      />
      {found === null ? (
        <kbd>/</kbd>
      ) : (
        <>
          <output>{found.length === 0 ? 'none' : `${place || '–'} of ${count(found.length)}`}</output>
          <button type="button" className="quiet" aria-label="Previous one found" title="Previous (N)" onClick={() => onJump(-1)}>
            <Icon name="up" />
          </button>
          <button type="button" className="quiet" aria-label="Next one found" title="Next (n)" onClick={() => onJump(1)}>
            <Icon name="down" />
          </button>
          <button type="button" className="quiet" aria-label="Clear the search" onClick={() => input('')}>
            <Icon name="close" />
          </button>
        </>
      )}
    </form>
  );
}

function readView(text: string | null): View | null {
  const [, from, to] = /^(\d+)-(\d+)$/.exec(text ?? '') ?? [];
  if (from === undefined || to === undefined || Number(to) <= Number(from)) return null;
  return { from: Number(from), to: Number(to) };
}
