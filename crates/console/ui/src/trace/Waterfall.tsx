import { memo, useEffect, useLayoutEffect, useRef, useState } from 'react';

import { hue } from '../shared/colours';
import type { Stretch } from './critical';
import { database, detail, failure, httpStatus, station } from './describe';
import { isOrigin } from './path';
import { count, duration, plural, ticks } from '../shared/format';
import type { Span } from '../shared/shapes';
import { cluster } from './notes';
import type { Notes } from './notes';
import { facts, isMisestimated, isPlan, misestimateText } from './plan';
import type { Note, Row, Rows } from './rows';
import { MAX_GUIDES } from './rows';
import type { Forest, Repeat } from './tree';
import { Icon } from '../shared/marks';
import { Minimap } from './Minimap';
import { useDragRange } from '../shared/useDragRange';
import type { View } from '../shared/useDragRange';
import { ROW_HEIGHT, useWindow } from './useWindow';

export interface WaterfallProps {
  readonly traceStart: number;
  readonly forest: Forest;
  readonly rows: Rows;
  readonly selected: string | null;
  readonly found: ReadonlySet<string> | null;
  readonly critical: ReadonlyMap<string, readonly Stretch[]> | null;
  readonly whole: View;
  readonly view: View;
  readonly notes: Notes['bySpan'];
  readonly onSelect: (id: string) => void;
  readonly onToggle: (id: string) => void;
  /** Shows or hides what a span said. */
  readonly onNotes: (spanId: string) => void;
  readonly onZoom: (view: View | null) => void;
}

export function Waterfall({ traceStart, forest, rows, selected, found, critical, whole, view, notes, onSelect, onToggle, onNotes, onZoom }: WaterfallProps) {
  const grid = useRef<HTMLDivElement>(null);
  const { first, last } = useWindow(grid, rows.length);
  const drag = useDragRange(view, onZoom);
  const marks = ticks(view.from, view.to, 6);
  const share = (nanos: number) => (100 * (nanos - view.from)) / (view.to - view.from);

  // The selected row is always in sight. Not when rows change below it: that would take the page away from who reads it.
  const place = rows.placeOf(selected);
  const latest = useRef(place);
  latest.current = place;
  useLayoutEffect(() => {
    if (grid.current && latest.current !== -1) scrollTo(grid.current, latest.current);
  }, [selected]);

  return (
    <div className="waterfall">
      <Minimap forest={forest} traceStart={traceStart} rows={rows} whole={whole} view={view} onZoom={onZoom} />
      <div ref={grid} className="rows">
        <div className="ruler">
          <span className="ruler-name">
            {rows.spans === forest.size ? plural(forest.size, 'span') : `${count(rows.spans)} of ${plural(forest.size, 'span')}`}
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
                isDim={found !== null && !isFound(row, found)}
                stretches={critical ? stretchesOf(row, critical) : null}
                notes={row.node ? (notes.get(row.id) ?? NO_NOTES) : NO_NOTES}
                traceStart={traceStart}
                view={view}
                onSelect={onSelect}
                onToggle={onToggle}
                onNotes={onNotes}
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
const NO_NOTES: readonly Note[] = [];

/** A note is found with its span, a closed repetition with one of its. */
function isFound({ id, note, repeat, collapsed }: Row, found: ReadonlySet<string>): boolean {
  if (note) return found.has(note.spanId);
  return repeat && collapsed ? repeat.nodes.some((node) => found.has(node.id)) : found.has(id);
}

function stretchesOf({ id, repeat, collapsed }: Row, critical: ReadonlyMap<string, readonly Stretch[]>): readonly Stretch[] {
  if (repeat) return collapsed ? repeat.nodes.flatMap((node) => critical.get(node.id) ?? NONE) : NONE;
  return critical.get(id) ?? NONE;
}

interface RowProps {
  readonly row: Row;
  readonly index: number;
  readonly isSelected: boolean;
  readonly isDim: boolean;
  /** Null when the critical path is not shown. */
  readonly stretches: readonly Stretch[] | null;
  readonly notes: readonly Note[];
  readonly traceStart: number;
  readonly view: View;
  readonly onSelect: (id: string) => void;
  readonly onToggle: (id: string) => void;
  readonly onNotes: (spanId: string) => void;
}

/** The handlers change with each rendering and always do the same, so that they are left out of the comparison. */
const WaterfallRow = memo(WaterfallRowView, (before, after) => {
  const { onSelect, onToggle, onNotes, row, ...rest } = after;
  const old = before.row;
  // Rows are made anew whenever one is opened or closed.
  const isSame = old.id === row.id && old.node === row.node && old.note === row.note && old.collapsed === row.collapsed && old.guides === row.guides && old.repeat?.nodes === row.repeat?.nodes && old.missing === row.missing;
  return isSame && (Object.keys(rest) as (keyof typeof rest)[]).every((key) => before[key] === after[key] || (key === 'stretches' && before.stretches?.length === 0 && after.stretches?.length === 0));
});

function WaterfallRowView({ row, index, isSelected, isDim, stretches, notes, traceStart, view, onSelect, onToggle, onNotes }: RowProps) {
  const { node, missing, repeat, note } = row;
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
      {...(note && { 'data-note': note.severity })}
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
            {row.collapsed ? (node ? count(node.below) : repeat ? `× ${count(repeat.nodes.length)}` : '+') : <Icon name="down" />}
          </button>
        ) : (
          <i className="twist-none" />
        )}
        {missing && <em className="soft">parent {missing.parentSpanId} not received</em>}
        {repeat && <RepeatName repeat={repeat} isOpen={!row.collapsed} />}
        {note && <NoteName note={note} />}
        {node && <Name span={node.span} parent={node.parent?.span ?? null} place={node.place} hiddenFailures={row.collapsed ? node.failedBelow : 0} />}
      </div>
      <div role="gridcell" className="row-time">
        {span && <Bar span={span} traceStart={traceStart} view={view} stretches={stretches} notes={notes} onNotes={onNotes} />}
        {repeat && row.collapsed && <RepeatBar repeat={repeat} traceStart={traceStart} view={view} stretches={stretches} />}
        {note && <NoteMark note={note} traceStart={traceStart} view={view} />}
      </div>
    </div>
  );
}

function RepeatName({ repeat, isOpen }: { repeat: Repeat; isOpen: boolean }) {
  const { span } = repeat.nodes[0]!;
  const failed = repeat.nodes.reduce((sum, { span: { status }, failedBelow }) => sum + failedBelow + (status === 'error' ? 1 : 0), 0);
  const db = database(span);
  return (
    <>
      <i className={`stripe ${hue(span.service)}`} />
      {db !== null && (
        <span className={`db ${hue(station(span))}`} title={db}>
          <Icon name="database" />
        </span>
      )}
      {isOpen && <b className="times">× {count(repeat.nodes.length)}</b>}
      <span className="name">{span.name}</span>
      <span className="more">{duration(repeat.nodes.reduce((sum, { span: { duration_nano } }) => sum + duration_nano, 0))} in all</span>
      {failed > 0 && <span className="failed">{plural(failed, 'error')}</span>}
    </>
  );
}

function NoteName({ note }: { note: Note }) {
  return (
    <>
      <span className="note-level">{note.kind === 'error' ? <Icon name="warn" /> : note.severity}</span>
      <span className="note-text" title={note.text}>
        {note.text}
      </span>
    </>
  );
}

function NoteMark({ note, traceStart, view }: { note: Note; traceStart: number; view: View }) {
  const at = (100 * (note.time - traceStart - view.from)) / (view.to - view.from);
  if (at < 0 || at > 100) return null;
  return (
    <>
      <i className="event" data-note={note.severity} data-exception={note.kind === 'error'} style={{ left: `${at}%` }} />
      <span className="bar-duration" data-side={at < 80 ? 'after' : 'before'} style={at < 80 ? { left: `${at}%` } : { right: `${100 - at}%` }}>
        {duration(Math.max(note.time - traceStart, 0))}
      </span>
    </>
  );
}

/** Every span of it, thinly, so that one sees whether they ran one after the other. */
function RepeatBar({ repeat, traceStart, view, stretches }: { repeat: Repeat; traceStart: number; view: View; stretches: readonly Stretch[] | null }) {
  const share = (nanos: number) => (100 * (nanos - traceStart - view.from)) / (view.to - view.from);
  const drawn: { left: number; right: number; failed: boolean }[] = [];
  // Sorted by start already. What touches is drawn as one: of thousands no more than can be seen.
  for (const { span } of repeat.nodes) {
    const left = Math.max(share(span.start_unix_nano), 0);
    const right = Math.min(share(span.start_unix_nano + span.duration_nano), 100);
    if (left > 100 || right < 0) continue;
    const failed = span.status === 'error';
    const last = drawn.at(-1);
    if (last && left < last.right + TOUCHING && last.failed === failed) last.right = Math.max(last.right, right);
    else drawn.push({ left, right, failed });
  }
  const first = drawn[0];
  const last = drawn.at(-1);
  if (!first || !last) return null;
  const colour = hue(station(repeat.nodes[0]!.span));
  return (
    <>
      <i className={`bar repeat-range ${colour}`} style={{ left: `${first.left}%`, width: `${Math.max(last.right - first.left, 0)}%` }} />
      {drawn.map(({ left, right, failed }) => (
        <i key={left} className={`bar repeat ${colour}`} data-failed={failed} style={{ left: `${left}%`, width: `${right - left}%` }} />
      ))}
      <Critical stretches={stretches} traceStart={traceStart} share={(nanos) => share(nanos + traceStart)} />
    </>
  );
}

/** In percent of the view. */
const TOUCHING = 0.15;

function Critical({ stretches, traceStart, share }: { stretches: readonly Stretch[] | null; traceStart: number; share: (nanos: number) => number }) {
  return stretches?.map((stretch) => {
    const begin = Math.max(share(stretch.from - traceStart), 0);
    const end = Math.min(share(stretch.to - traceStart), 100);
    return end > begin && <i key={stretch.from} className="critical" style={{ left: `${begin}%`, width: `${end - begin}%` }} />;
  });
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
      {isPlan(span) && isMisestimated(facts(span)) && (
        <span className="misestimate" title="The planner expected another number of rows, and may have chosen otherwise">
          {misestimateText(facts(span))}
        </span>
      )}
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

interface BarProps {
  readonly span: Span;
  readonly traceStart: number;
  readonly view: View;
  readonly stretches: readonly Stretch[] | null;
  readonly notes: readonly Note[];
  readonly onNotes: (spanId: string) => void;
}

function Bar({ span, traceStart, view, stretches, notes, onNotes }: BarProps) {
  const length = view.to - view.from;
  const share = (nanos: number) => (100 * (nanos - view.from)) / length;
  const from = span.start_unix_nano - traceStart;
  const to = from + span.duration_nano;
  const left = Math.max(share(from), 0);
  const right = Math.min(share(to), 100);
  if (left > 100 || right < 0) return <span className="beyond">{left > 100 ? `${duration(span.duration_nano)} →` : `← ${duration(span.duration_nano)}`}</span>;
  // The words stand where there is room: behind the bar, else before it, else in it.
  const side = right < 86 ? 'after' : left > 14 ? 'before' : 'in';
  const marks = marksOf(span, notes, (time) => share(time - traceStart));
  const isBehindMark = side === 'in' && marks.some(({ at }) => at - left < 3);
  return (
    <>
      <i className={`bar ${hue(station(span))}`} data-plan={isPlan(span)} style={{ left: `${left}%`, width: `${right - left}%` }} />
      <Critical stretches={stretches} traceStart={traceStart} share={share} />
      {marks.map(({ at, names, notes: said, isFailure }) =>
        said.length === 0 ? (
          <i key={at} className="event" data-exception={isFailure} data-several={names.length > 1} style={{ left: `${at}%` }} title={names.join('\n')} />
        ) : (
          <button
            key={at}
            type="button"
            tabIndex={-1}
            className="event"
            data-exception={isFailure}
            data-several={names.length > 1}
            data-note={said.some(({ severity }) => severity === 'error') ? 'error' : said.some(({ severity }) => severity === 'warn') ? 'warn' : 'info'}
            style={{ left: `${at}%` }}
            title={names.slice(0, MOST_NAMES).join('\n') + (names.length > MOST_NAMES ? `\nand ${names.length - MOST_NAMES} more` : '')}
            aria-label={`${plural(said.length, 'log line')}: show or hide`}
            onClick={(event) => {
              event.stopPropagation();
              onNotes(span.span_id);
            }}
          />
        ),
      )}
      <span
        className="bar-duration"
        data-side={side}
        data-shifted={isBehindMark}
        style={side === 'after' ? { left: `${right}%` } : side === 'before' ? { right: `${100 - left}%` } : { left: `${left}%` }}
      >
        {duration(span.duration_nano)}
      </span>
    </>
  );
}

/** Marks nearer than this, in percent of the view, are drawn as one. */
const NEAR = 1.2;
/** Lines of a mark's title. */
const MOST_NAMES = 12;

function marksOf(span: Span, notes: readonly Note[], share: (time: number) => number) {
  const events = span.events.map(({ name, time_unix_nano, attributes }) => {
    const type = attributes['exception.type'];
    const isFailure = name === 'exception';
    return { time: time_unix_nano, name: isFailure && typeof type === 'string' ? `exception: ${type}` : name, isFailure, note: null };
  });
  const said = notes.map((note) => ({ time: note.time, name: note.kind === 'error' ? `error: ${note.text}` : `${note.severity}: ${note.text}`, isFailure: note.kind === 'error', note }));
  return cluster([...events, ...said], share, NEAR);
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

