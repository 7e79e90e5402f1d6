import { useEffect, useMemo, useRef, useState } from 'react';

import { Copy } from '../shared/Copy';
import { ago, clock, count, duration, plural, ticks } from '../shared/format';
import { xrayTraceId } from '../shared/ids';
import { useAsked } from '../shared/ask';
import { useKeys } from '../shared/keys';
import { Link } from '../shared/Link';
import { setQuery } from '../shared/location';
import { Icon } from '../shared/marks';
import { isNotHere, NotHere } from '../shared/NotHere';
import { ROW_HEIGHT, useWindow } from '../trace/useWindow';
import { getTrace, received } from './calls';
import { outcome } from './model';
import type { Document, Graph } from './model';
import { SegmentPanel } from './SegmentPanel';
import { documentsOf, timeline } from './timeline';
import type { Block, Line, Timeline } from './timeline';
import { TraceMap } from './TraceMap';
import type { Chosen } from './TraceMap';

/** One trace as X-Ray has it: its map, its segments in time, and every document. */
export function XrayTrace({ id, address }: { id: string; address: string }) {
  const xrayId = xrayTraceId(id);
  const { answer, failure, isAsking } = useAsked(xrayId, (signal) => getTrace(xrayId, signal), true);
  const raw = useAsked(id, (signal) => received(id, signal), false).answer;
  const documents = useMemo(() => (answer ? documentsOf(answer.trace) : []), [answer]);
  useEffect(() => {
    document.title = `${xrayId} · X-Ray · Throughline`;
  }, [xrayId]);

  if (failure && isNotHere(failure)) return <NotHere view="X-Ray" failure={failure} />;
  if (answer === null) {
    return (
      <main className="note" aria-busy={isAsking}>
        {failure ? (
          <>
            <h1>{failure.title}</h1>
            <p>{failure.detail}</p>
          </>
        ) : (
          <>
            <h1>X-Ray knows no trace {xrayId}</h1>
            <p className="waiting" role="status">
              When it arrives it appears here by itself.
            </p>
          </>
        )}
        <p>
          <Link to="/xray">All traces</Link>
        </p>
      </main>
    );
  }
  return <Shown id={id} xrayId={xrayId} documents={documents} graph={answer.graph} limitExceeded={answer.trace.LimitExceeded} received={raw ?? []} address={address} />;
}

interface ShownProps {
  readonly id: string;
  readonly xrayId: string;
  readonly documents: readonly Document[];
  readonly graph: Graph;
  readonly limitExceeded: boolean;
  readonly received: Parameters<typeof SegmentPanel>[0]['received'];
  readonly address: string;
}

function Shown({ id, xrayId, documents, graph, limitExceeded, received: arrived, address }: ShownProps) {
  const query = useMemo(() => new URL(address, location.origin).searchParams, [address]);
  const [closed, setClosed] = useState<ReadonlySet<string>>(new Set());
  const [chosen, setChosen] = useState<Chosen>(null);
  const drawn = useMemo(() => timeline(documents, closed), [documents, closed]);
  const selected = query.get('segment');
  const line = drawn.lines.find((each) => each.id === selected);
  const entry = documents.find((each) => each.parent_id === undefined && !each.inferred) ?? documents[0];
  const ended = outcome(entry ?? {});

  const toggle = (each: string) => {
    const next = new Set(closed);
    if (!next.delete(each)) next.add(each);
    setClosed(next);
  };
  const move = (by: number) => {
    const at = drawn.lines.findIndex((each) => each.id === selected);
    const next = drawn.lines[at === -1 ? 0 : Math.min(Math.max(at + by, 0), drawn.lines.length - 1)];
    if (next) setQuery({ segment: next.id });
  };
  useKeys({
    j: () => move(1),
    ArrowDown: () => move(1),
    k: () => move(-1),
    ArrowUp: () => move(-1),
    ArrowLeft: () => line?.hasBelow && !closed.has(line.id) && toggle(line.id),
    ArrowRight: () => line && closed.has(line.id) && toggle(line.id),
    e: () => {
      const failed = drawn.lines.filter(({ document: each }) => outcome(each) !== 'ok');
      const at = failed.findIndex((each) => each.id === selected);
      const next = failed[(at + 1) % failed.length];
      if (next) setQuery({ segment: next.id });
    },
    Escape: () => setQuery({ segment: null }),
    Enter: () => selected === null && move(0),
  });

  const onMap = (next: Chosen) => {
    setChosen(next);
    if (next === null || !('node' in next)) return;
    const service = graph.Services.find(({ ReferenceId }) => ReferenceId === next.node);
    const block = drawn.blocks.find(({ name, kind }) => name === service?.Name && (service.Type ?? '') === kind);
    if (block?.lines[0]) setQuery({ segment: block.lines[0].id });
  };

  return (
    <main className="xray xray-trace">
      <header className="trace-header">
        <div className="trace-title">
          <Link to="/xray" className="quiet" aria-label="All traces" title="All traces">
            <Icon name="back" />
          </Link>
          <i data-outcome={ended} title={ended} />
          <h1>{entry ? `${entry.http?.request?.method ?? ''} ${pathOf(entry)}`.trim() || entry.name : xrayId}</h1>
          <dl className="facts">
            {entry?.end_time !== undefined && (
              <div title="Of the segment at the entry">
                <dt>Response time</dt>
                <dd>
                  <b>{duration((entry.end_time - entry.start_time) * 1e9)}</b>
                </dd>
              </div>
            )}
            <div title="From the first start to the last end">
              <dt>Duration</dt>
              <dd>{duration((drawn.to - drawn.from) * 1e9)}</dd>
            </div>
            <div title={ago(drawn.from * 1e9, Date.now())}>
              <dt>Start</dt>
              <dd>{clock(drawn.from * 1e9, Date.now())}</dd>
            </div>
            <div>
              <dt>Segments</dt>
              <dd>
                {count(drawn.segments)} + {plural(drawn.subsegments, 'subsegment')}
              </dd>
            </div>
            <div title="Callees that sent nothing themselves">
              <dt>Inferred</dt>
              <dd>{count(drawn.inferred)}</dd>
            </div>
            <div>
              <dt>Trace id</dt>
              <dd>
                <Copy text={xrayId} what="the trace id as X-Ray writes it">
                  <code>{xrayId}</code>
                </Copy>
              </dd>
            </div>
          </dl>
          <Link to={`/trace/${id}`} className="button">
            Waterfall
          </Link>
        </div>
        {limitExceeded && <p className="notice">This trace has more documents than X-Ray’s API gives at once. The waterfall shows all of it.</p>}
      </header>
      <div className="xray-trace-body" data-panel={line !== undefined}>
        <div className="xray-trace-main">
          <div className="xray-map-scroll">
            <TraceMap graph={graph} chosen={chosen} onChoose={onMap} />
          </div>
          <Lines drawn={drawn} closed={closed} selected={selected} onSelect={(next) => setQuery({ segment: next })} onToggle={toggle} />
        </div>
        {line && <SegmentPanel key={line.id} line={line} received={arrived} isRaw={query.get('raw') === 'true'} />}
      </div>
    </main>
  );
}

/** Past this share of the ruler a mark has no room for its words. */
const LAST_LABEL = 0.92;

type Item = { readonly block: Block } | { readonly line: Line };

function Lines({ drawn, closed, selected, onSelect, onToggle }: { drawn: Timeline; closed: ReadonlySet<string>; selected: string | null; onSelect: (id: string) => void; onToggle: (id: string) => void }) {
  const box = useRef<HTMLDivElement>(null);
  const items: readonly Item[] = useMemo(() => drawn.blocks.flatMap((block) => [{ block }, ...block.lines.map((line) => ({ line }))]), [drawn]);
  const { first, last } = useWindow(box, items.length);
  const share = (seconds: number) => (100 * (seconds - drawn.from)) / (drawn.to - drawn.from);
  const marks = ticks(0, (drawn.to - drawn.from) * 1e9, 5);
  const place = items.findIndex((item) => 'line' in item && item.line.id === selected);
  useEffect(() => {
    const element = box.current;
    if (!element || place === -1) return;
    const top = place * ROW_HEIGHT;
    if (top < element.scrollTop + ROW_HEIGHT) element.scrollTop = top - 2 * ROW_HEIGHT;
    else if (top > element.scrollTop + element.clientHeight - 3 * ROW_HEIGHT) element.scrollTop = top - element.clientHeight + 4 * ROW_HEIGHT;
    // Only a new choice scrolls: a trace that grows does not.
  }, [selected]);
  return (
    <div className="segments" ref={box}>
      <div className="segment-row segment-head">
        <span>Segment</span>
        <span>Status</span>
        <span>Time</span>
        <span className="segment-ruler">
          {marks.map((mark) => (
            <span key={mark} style={{ left: `${(mark / ((drawn.to - drawn.from) * 1e9)) * 100}%` }}>
              {mark === 0 ? '0' : mark < LAST_LABEL * (drawn.to - drawn.from) * 1e9 && duration(mark)}
            </span>
          ))}
        </span>
      </div>
      <div className="segment-rows" role="treegrid" aria-label="Segments" aria-rowcount={items.length} style={{ height: items.length * ROW_HEIGHT }}>
        <div style={{ transform: `translateY(${first * ROW_HEIGHT}px)` }}>
          {items.slice(first, last).map((item) =>
            'block' in item ? (
              <div key={`${item.block.name}\n${item.block.kind}`} role="row" className="segment-row segment-block">
                <b role="gridcell">{item.block.name}</b>
                <span role="gridcell" className="soft">
                  {[item.block.kind, item.block.inferred ? 'inferred' : ''].filter(Boolean).join(' · ')}
                </span>
              </div>
            ) : (
              <SegmentLine key={item.line.id} line={item.line} isClosed={closed.has(item.line.id)} isSelected={item.line.id === selected} share={share} onSelect={onSelect} onToggle={onToggle} />
            ),
          )}
        </div>
      </div>
    </div>
  );
}

interface LineProps {
  readonly line: Line;
  readonly isClosed: boolean;
  readonly isSelected: boolean;
  readonly share: (seconds: number) => number;
  readonly onSelect: (id: string) => void;
  readonly onToggle: (id: string) => void;
}

function SegmentLine({ line, isClosed, isSelected, share, onSelect, onToggle }: LineProps) {
  const { document: each, depth } = line;
  const ended = outcome(each);
  const end = each.end_time ?? each.start_time;
  const status = each.http?.response?.status;
  const left = share(each.start_time);
  const width = share(end) - left;
  return (
    <div role="row" className="segment-row segment-line" aria-level={depth + 1} aria-selected={isSelected} data-outcome={ended} data-segment={line.isSegment} onClick={() => onSelect(line.id)}>
      <span role="gridcell" className="segment-name" style={{ paddingLeft: 16 * Math.min(depth, 20) }}>
        {line.hasBelow ? (
          <button
            type="button"
            className="twist"
            tabIndex={-1}
            aria-label={isClosed ? 'Open' : 'Close'}
            data-collapsed={isClosed}
            onClick={(event) => {
              event.stopPropagation();
              onToggle(line.id);
            }}
          >
            {isClosed ? '+' : <Icon name="down" />}
          </button>
        ) : (
          <i className="twist-none" />
        )}
        <span className="name" title={each.name}>
          {each.name}
        </span>
        {each.namespace && <small className="soft">{each.namespace}</small>}
        {ended !== 'ok' && (
          <span className="outcome" data-outcome={ended}>
            {ended}
          </span>
        )}
        {each.in_progress && <em className="soft">in progress</em>}
      </span>
      <span role="gridcell">
        {status !== undefined && (
          <span className="status" data-bad={status >= 500} data-fine={status < 400}>
            {status}
          </span>
        )}
      </span>
      <span role="gridcell" className="number">
        {each.end_time === undefined ? '…' : duration((end - each.start_time) * 1e9)}
      </span>
      <span role="gridcell" className="segment-time">
        <i className="bar" data-outcome={ended} data-segment={line.isSegment} data-inferred={each.inferred === true} style={{ left: `${left}%`, width: `${width}%` }} />
      </span>
    </div>
  );
}

function pathOf({ http, name }: Document): string {
  const url = http?.request?.url;
  if (url === undefined) return name;
  return URL.canParse(url) ? new URL(url).pathname + new URL(url).search : url;
}
