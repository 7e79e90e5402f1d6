import { memo, useEffect, useLayoutEffect, useRef, useState } from 'react';

import { hue } from '../shared/colours';
import type { Stretch } from './critical';
import { database, detail, failure, httpStatus, station } from './describe';
import { isOrigin } from './path';
import { count, duration, plural, ticks } from '../shared/format';
import type { Span } from '../shared/shapes';
import type { Forest, Row } from './tree';
import { MAX_GUIDES } from './tree';
import { Icon } from '../shared/marks';
import { Minimap } from './Minimap';
import { useDragRange } from '../shared/useDragRange';
import type { View } from '../shared/useDragRange';
import { ROW_HEIGHT, useWindow } from './useWindow';

export interface WaterfallProps {
  readonly traceStart: number;
  readonly forest: Forest;
  readonly rows: readonly Row[];
  readonly selected: string | null;
  readonly found: ReadonlySet<string> | null;
  readonly critical: ReadonlyMap<string, readonly Stretch[]> | null;
  readonly whole: View;
  readonly view: View;
  readonly onSelect: (id: string) => void;
  readonly onToggle: (id: string) => void;
  readonly onZoom: (view: View | null) => void;
}

export function Waterfall({ traceStart, forest, rows, selected, found, critical, whole, view, onSelect, onToggle, onZoom }: WaterfallProps) {
  const grid = useRef<HTMLDivElement>(null);
  const { first, last } = useWindow(grid, rows.length);
  const drag = useDragRange(view, onZoom);
  const all = forest.nodes.length + forest.missing.length;
  const marks = ticks(view.from, view.to, 6);
  const share = (nanos: number) => (100 * (nanos - view.from)) / (view.to - view.from);

  // The selected row is always in sight. Not when rows change below it: that would take the page away from who reads it.
  const place = rows.findIndex((row) => row.id === selected);
  const latest = useRef(place);
  latest.current = place;
  useLayoutEffect(() => {
    if (grid.current && latest.current !== -1) scrollTo(grid.current, latest.current);
  }, [selected]);

  return (
    <div className="waterfall">
      <Minimap traceStart={traceStart} rows={rows} whole={whole} view={view} onZoom={onZoom} />
      <div ref={grid} className="rows">
        <div className="ruler">
          <span className="ruler-name">
            {rows.length === all ? plural(forest.nodes.length, 'span') : `${count(rows.filter(({ node }) => node).length)} of ${plural(forest.nodes.length, 'span')}`}
          </span>
          <NameWidth />
          <div className="ruler-time" {...drag.handlers} title="Drag to zoom">
            {marks.map((mark) => (
              <span key={mark} className="tick" style={{ left: `${share(mark)}%` }}>
                {share(mark) < LAST_LABEL && (mark === 0 ? '0' : duration(mark))}
              </span>
            ))}
            {drag.range && <i className="drag" style={{ left: `${share(drag.range.from)}%`, width: `${share(drag.range.to) - share(drag.range.from)}%` }} />}
          </div>
        </div>
        <div
          className="rows-inner"
          role="treegrid"
          aria-label="Spans"
          aria-rowcount={rows.length}
          aria-colcount={2}
          tabIndex={0}
          style={{ height: rows.length * ROW_HEIGHT }}
          {...(place !== -1 && { 'aria-activedescendant': `row-${selected}` })}
        >
          <div className="gridlines" role="presentation">
            {marks.map((mark) => (
              <i key={mark} style={{ left: `${share(mark)}%` }} />
            ))}
          </div>
          <div className="rows-shown" role="presentation" style={{ transform: `translateY(${first * ROW_HEIGHT}px)` }}>
            {rows.slice(first, last).map((row, index) => (
              <WaterfallRow
                key={row.id}
                row={row}
                index={first + index}
                isSelected={row.id === selected}
                isDim={found !== null && !found.has(row.id)}
                stretches={critical ? (critical.get(row.id) ?? NONE) : null}
                traceStart={traceStart}
                view={view}
                onSelect={onSelect}
                onToggle={onToggle}
              />
            ))}
          </div>
        </div>
      </div>
    </div>
  );
}

/** Past this share of the ruler a mark has no room for its words. */
const LAST_LABEL = 95;
const NONE: readonly Stretch[] = [];

interface RowProps {
  readonly row: Row;
  readonly index: number;
  readonly isSelected: boolean;
  readonly isDim: boolean;
  /** Null when the critical path is not shown. */
  readonly stretches: readonly Stretch[] | null;
  readonly traceStart: number;
  readonly view: View;
  readonly onSelect: (id: string) => void;
  readonly onToggle: (id: string) => void;
}

/** The handlers change with each rendering and always do the same, so that they are left out of the comparison. */
const WaterfallRow = memo(WaterfallRowView, (before, after) => {
  const { onSelect, onToggle, ...rest } = after;
  return (Object.keys(rest) as (keyof typeof rest)[]).every((key) => before[key] === after[key]);
});

function WaterfallRowView({ row, index, isSelected, isDim, stretches, traceStart, view, onSelect, onToggle }: RowProps) {
  const { node, missing } = row;
  const span = node?.span;
  return (
    <div
      id={`row-${row.id}`}
      role="row"
      className="row"
      aria-rowindex={index + 1}
      aria-level={row.depth + 1}
      aria-selected={isSelected}
      {...(row.hasChildren && { 'aria-expanded': !row.collapsed })}
      data-dim={isDim}
      data-failed={node === null || node.span.status !== 'error' ? 'no' : isOrigin(node) ? 'here' : 'below'}
      data-critical={stretches !== null && stretches.length > 0}
      onClick={() => onSelect(row.id)}
    >
      <div role="gridcell" className="row-name">
        {[...row.guides].map((guide, at) => (
          <i key={at} className={`guide guide-${guide === ' ' ? 'none' : guide}`} />
        ))}
        {row.depth > MAX_GUIDES && <small className="soft">{row.depth}</small>}
        {row.hasChildren ? (
          <button
            type="button"
            className="twist"
            tabIndex={-1}
            aria-label={row.collapsed ? 'Open' : 'Close'}
            data-collapsed={row.collapsed}
            onClick={(event) => {
              event.stopPropagation();
              onToggle(row.id);
            }}
          >
            {row.collapsed ? (node ? count(node.below) : '+') : <Icon name="down" />}
          </button>
        ) : (
          <i className="twist-none" />
        )}
        {missing && <em className="soft">parent {missing.parentSpanId} not received</em>}
        {node && <Name span={node.span} parent={node.parent?.span ?? null} place={node.place} hiddenFailures={row.collapsed ? node.failedBelow : 0} />}
      </div>
      <div role="gridcell" className="row-time">
        {span && <Bar span={span} traceStart={traceStart} view={view} stretches={stretches} />}
      </div>
    </div>
  );
}

function Name({ span, parent, place, hiddenFailures }: { span: Span; parent: Span | null; place: string; hiddenFailures: number }) {
  const at = station(span);
  // The service is named where the trace enters it; below that its colour goes on.
  const entersService = parent === null || parent.service !== span.service;
  const db = database(span);
  const more = detail(span);
  const status = httpStatus(span);
  const why = failure(span);
  return (
    <>
      <i className={`stripe ${hue(span.service)}`} />
      {entersService && <span className={`chip ${hue(span.service)}`}>{span.service}</span>}
      {db !== null && (
        <span className={`db ${hue(at)}`} title={db}>
          <Icon name="database" />
        </span>
      )}
      <span className="name" title={why ? `${span.name}: ${why}` : span.name}>
        {span.name}
      </span>
      {more && <span className="more">{more}</span>}
      {place === 'loop' && <em className="soft">its parents form a loop, cut here</em>}
      {status !== null && status >= 400 && (
        <span className="status" data-bad={status >= 500}>
          {status}
        </span>
      )}
      {why !== null && (status === null || status < 400) && (
        <span className="failed" title={why || 'failed'}>
          <Icon name="warn" />
          <span className="hidden">failed</span>
        </span>
      )}
      {hiddenFailures > 0 && <span className="failed">{plural(hiddenFailures, 'error')} below</span>}
    </>
  );
}

function Bar({ span, traceStart, view, stretches }: { span: Span; traceStart: number; view: View; stretches: readonly Stretch[] | null }) {
  const length = view.to - view.from;
  const share = (nanos: number) => (100 * (nanos - view.from)) / length;
  const from = span.start_unix_nano - traceStart;
  const to = from + span.duration_nano;
  const left = Math.max(share(from), 0);
  const right = Math.min(share(to), 100);
  if (left > 100 || right < 0) return <span className="beyond">{left > 100 ? `${duration(span.duration_nano)} →` : `← ${duration(span.duration_nano)}`}</span>;
  // The words stand where there is room: behind the bar, else before it, else in it.
  const side = right < 86 ? 'after' : left > 14 ? 'before' : 'in';
  return (
    <>
      <i className={`bar ${hue(station(span))}`} style={{ left: `${left}%`, width: `${right - left}%` }} />
      {stretches?.map((stretch) => {
        const begin = Math.max(share(stretch.from - traceStart), 0);
        const end = Math.min(share(stretch.to - traceStart), 100);
        return end > begin && <i key={stretch.from} className="critical" style={{ left: `${begin}%`, width: `${end - begin}%` }} />;
      })}
      {clustered(span, traceStart, share).map(({ at, names, isException }) => (
        <i key={at} className="event" data-exception={isException} data-several={names.length > 1} style={{ left: `${at}%` }} title={names.join('\n')} />
      ))}
      <span className="bar-duration" data-side={side} style={side === 'after' ? { left: `${right}%` } : side === 'before' ? { right: `${100 - left}%` } : { left: `${left}%` }}>
        {duration(span.duration_nano)}
      </span>
    </>
  );
}

/** Marks nearer than this, in percent of the view, are drawn as one. */
const NEAR = 1.2;

function clustered(span: Span, traceStart: number, share: (nanos: number) => number) {
  const clusters: { at: number; names: string[]; isException: boolean }[] = [];
  for (const event of span.events) {
    const at = share(event.time_unix_nano - traceStart);
    if (at < 0 || at > 100) continue;
    const isException = event.name === 'exception';
    const type = event.attributes['exception.type'];
    const name = isException && typeof type === 'string' ? `exception: ${type}` : event.name;
    const last = clusters.at(-1);
    if (last && at - last.at < NEAR) {
      last.names.push(name);
      last.isException ||= isException;
    } else clusters.push({ at, names: [name], isException });
  }
  return clusters;
}

const NAMES = { least: 180, most: 900, step: 20, key: 'names-width' } as const;

/** The line between names and times; it can be moved. */
function NameWidth() {
  const [width, setWidth] = useState(() => Number(localStorage.getItem(NAMES.key)) || 0);
  useEffect(() => {
    const root = document.documentElement.style;
    if (width === 0) {
      root.removeProperty('--names');
      localStorage.removeItem(NAMES.key);
    } else {
      root.setProperty('--names', `${width}px`);
      localStorage.setItem(NAMES.key, String(width));
    }
  }, [width]);
  const handle = useRef<HTMLDivElement>(null);
  const now = () => width || handle.current?.offsetLeft || 0;
  const set = (wanted: number) => setWidth(Math.round(Math.min(Math.max(wanted, NAMES.least), NAMES.most)));
  return (
    <div
      ref={handle}
      className="divider"
      role="separator"
      aria-orientation="vertical"
      aria-label="Width of the names"
      aria-valuenow={width}
      aria-valuemin={NAMES.least}
      aria-valuemax={NAMES.most}
      tabIndex={0}
      title="Drag; double click for the usual width"
      onPointerDown={(event) => event.currentTarget.setPointerCapture(event.pointerId)}
      onPointerMove={(event) => {
        const frame = event.currentTarget.parentElement;
        if (event.currentTarget.hasPointerCapture(event.pointerId) && frame) set(event.clientX - frame.getBoundingClientRect().left);
      }}
      onDoubleClick={() => setWidth(0)}
      onKeyDown={(event) => {
        if (event.key !== 'ArrowLeft' && event.key !== 'ArrowRight') return;
        event.preventDefault();
        set(now() + (event.key === 'ArrowLeft' ? -NAMES.step : NAMES.step));
      }}
    />
  );
}

/** The ruler lies over the first pixels of what scrolls; `.ruler` in styles/trace.css has the same height. */
const RULER_HEIGHT = 25;

function scrollTo(grid: HTMLElement, place: number): void {
  const top = place * ROW_HEIGHT;
  const margin = 2 * ROW_HEIGHT;
  const height = grid.clientHeight - RULER_HEIGHT;
  if (top < grid.scrollTop + margin) grid.scrollTop = top - margin;
  else if (top + ROW_HEIGHT > grid.scrollTop + height - margin) grid.scrollTop = top + ROW_HEIGHT - height + margin;
}

