import { useRef } from 'react';

import { hue, HUES } from '../shared/colours';
import { useDragRange } from '../shared/useDragRange';
import { useWidth } from '../shared/useWidth';
import type { Row } from './calls';
import { amount, axis, linePath } from './chart';
import { TimeAxis } from './TimeAxis';

/** Room for the marks of the values, in CSS pixels; styles say the same. */
export const GUTTER = 58;
const HEIGHT = 112;
const ABOVE = 8;

export interface Frame {
  /** Of the first bucket to the end of the last, in seconds since 1970. */
  readonly start: number;
  readonly end: number;
  readonly granularity: number;
  readonly times: readonly number[];
}

interface Props {
  readonly name: string;
  readonly frame: Frame;
  readonly rows: readonly Row[];
  /** The same groups at an earlier time. */
  readonly earlier: readonly Row[];
  /** The row that is pointed at in the table. */
  readonly pointed: number | null;
  /** The bucket under the pointer, in any of the charts. */
  readonly hover: number | null;
  readonly onHover: (bucket: number | null) => void;
  readonly onZoom: (start: number, end: number) => void;
}

/** One calculation over time, a line for each group. */
export function Lines({ name, frame, rows, earlier, pointed, hover, onHover, onZoom }: Props) {
  const box = useRef<HTMLDivElement>(null);
  const width = Math.max(useWidth(box) - GUTTER, 0);
  const { start, end, granularity, times } = frame;
  const drag = useDragRange({ from: start, to: end }, (range) => range && onZoom(range.from, range.to));
  const before = rows.map((row) => earlier.find(({ group }) => JSON.stringify(group) === JSON.stringify(row.group)));
  const all = [...rows, ...before.filter((row) => row !== undefined)].flatMap((row) => row.series[name] ?? []).filter((value) => value !== null);
  const { marks, from, to } = axis(Math.min(0, ...all), all.length > 0 ? Math.max(...all) : 1, 4);
  const x = (bucket: number) => ((bucket + 0.5) / Math.max(times.length, 1)) * width;
  const y = (value: number) => HEIGHT - ((value - from) / (to - from)) * (HEIGHT - ABOVE);
  const share = (time: number) => (100 * (time - start)) / (end - start);
  const move = (event: React.PointerEvent<HTMLElement>) => {
    const { left, width: across } = event.currentTarget.getBoundingClientRect();
    const bucket = Math.floor(((event.clientX - left) / across) * times.length);
    onHover(bucket >= 0 && bucket < times.length ? bucket : null);
    drag.handlers.onPointerMove(event);
  };
  return (
    <figure className="chart" aria-label={`${name} over time`}>
      <figcaption>
        <code>{name}</code>
        {hover !== null && <Readout rows={rows} name={name} bucket={hover} />}
      </figcaption>
      <div ref={box} className="plot" style={{ height: HEIGHT }}>
        <div className="y-axis" aria-hidden="true">
          {marks.map((mark) => (
            <span key={mark} style={{ top: y(mark) }}>
              {amount(mark, name)}
            </span>
          ))}
        </div>
        <div className="plane" {...drag.handlers} onPointerMove={move} onPointerLeave={() => onHover(null)} onDoubleClick={undefined} title="Drag to zoom">
          <svg width={width} height={HEIGHT} aria-hidden="true">
            {marks.map((mark) => (
              <line key={mark} className="grid" x1="0" x2={width} y1={y(mark)} y2={y(mark)} />
            ))}
            {before.map((row, at) => row && <path key={`before-${at}`} className={`series before ${colourOf(row, at, rows.length)}`} data-pale={pointed !== null && pointed !== at} d={linePath(row.series[name] ?? [], x, y).line} />)}
            {rows.map((row, at) => {
              const { line, lone } = linePath(row.series[name] ?? [], x, y);
              const shared = { className: `series ${colourOf(row, at, rows.length)}`, 'data-pale': pointed !== null && pointed !== at };
              return (
                <g key={at}>
                  <path {...shared} d={line} />
                  <path {...shared} className={`${shared.className} lone`} d={lone} />
                </g>
              );
            })}
            {hover !== null && <line className="crosshair" x1={x(hover)} x2={x(hover)} y1="0" y2={HEIGHT} />}
            {hover !== null &&
              rows.map((row, at) => {
                const value = row.series[name]?.[hover] ?? null;
                return value === null || (pointed !== null && pointed !== at) ? null : <circle key={at} className={`point ${colourOf(row, at, rows.length)}`} cx={x(hover)} cy={y(value)} r="3" />;
              })}
          </svg>
          {drag.range && <i className="drag" style={{ left: `${share(drag.range.from)}%`, width: `${share(drag.range.to) - share(drag.range.from)}%` }} />}
        </div>
      </div>
      <TimeAxis start={start} end={end} width={width} hover={hover === null ? null : { at: times[hover] ?? start, granularity }} />
    </figure>
  );
}

/** The largest few at one time. */
function Readout({ rows, name, bucket }: { rows: readonly Row[]; name: string; bucket: number }) {
  const found = rows
    .map((row, at) => ({ row, at, value: row.series[name]?.[bucket] ?? null }))
    .filter((each) => each.value !== null)
    .sort((a, b) => (b.value ?? 0) - (a.value ?? 0));
  return (
    <span className="readout">
      {found.slice(0, 5).map(({ row, at, value }) => (
        <span key={at} className={colourOf(row, at, rows.length)}>
          <i className="dot" />
          {Object.values(row.group).map(String).join(' · ')} <b>{amount(value, name)}</b>
        </span>
      ))}
    </span>
  );
}

/** A service keeps the colour that it has on every page; other groups take the colours in turn. */
export function colourOf(row: Row, at: number, rows: number): string {
  const service = row.group['service.name'];
  if (typeof service === 'string' && Object.keys(row.group).length === 1) return hue(service);
  return rows === 1 ? 'hue-2' : `hue-${(at * 5 + 3) % HUES}`;
}
