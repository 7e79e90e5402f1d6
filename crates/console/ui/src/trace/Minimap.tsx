import { useEffect, useRef } from 'react';

import { afterPaint } from '../shared/afterPaint';
import { hueNumber } from '../shared/colours';
import type { Rows } from './rows';
import type { Forest } from './tree';
import { useDragRange } from '../shared/useDragRange';
import type { View } from '../shared/useDragRange';

interface Props {
  readonly forest: Forest;
  readonly traceStart: number;
  readonly rows: Rows;
  readonly whole: View;
  readonly view: View;
  readonly onZoom: (view: View | null) => void;
}

/** The whole trace in one look. Drag to choose the stretch of time that the waterfall shows. */
export function Minimap({ forest, traceStart, rows, whole, view, onZoom }: Props) {
  const canvas = useRef<HTMLCanvasElement>(null);
  const drag = useDragRange(whole, onZoom);
  const shown = drag.range ?? view;
  const percent = (nanos: number) => (100 * (nanos - whole.from)) / (whole.to - whole.from);

  useEffect(() => {
    const element = canvas.current;
    if (!element) return;
    const draw = () => paint(element, forest, rows, traceStart, whole);
    // After the rows, which are what one waits for: 100,000 spans take a tenth of a second to paint.
    let stop = () => {};
    const resized = new ResizeObserver(() => {
      stop();
      stop = afterPaint(draw);
    });
    resized.observe(element);
    const scheme = matchMedia('(prefers-color-scheme: dark)');
    scheme.addEventListener('change', draw);
    return () => {
      stop();
      resized.disconnect();
      scheme.removeEventListener('change', draw);
    };
  }, [forest, rows, traceStart, whole]);

  return (
    <div className="minimap" {...drag.handlers} title="Drag to zoom, double click to see the whole trace">
      <canvas ref={canvas} role="img" aria-label="The whole trace" />
      <i className="shade" style={{ left: 0, width: `${Math.max(percent(shown.from), 0)}%` }} />
      <i className="shade" style={{ right: 0, width: `${Math.max(100 - percent(shown.to), 0)}%` }} />
    </div>
  );
}

function paint(canvas: HTMLCanvasElement, { columns, failedBelow }: Forest, rows: Rows, traceStart: number, whole: View): void {
  const scale = devicePixelRatio || 1;
  const width = Math.round(canvas.clientWidth * scale);
  const height = Math.round(canvas.clientHeight * scale);
  const context = canvas.getContext('2d');
  if (!context || width === 0) return;
  canvas.width = width;
  canvas.height = height;
  const style = getComputedStyle(document.documentElement);
  const colours = new Map<number, string>();
  const colour = (number: number) => {
    let value = colours.get(number);
    if (value === undefined) colours.set(number, (value = style.getPropertyValue(`--hue-${number}`).trim() || '#888'));
    return value;
  };
  const tall = height / Math.max(rows.length, 1);
  const thick = Math.max(Math.min(tall * 0.7, 4 * scale), 1);
  const alarm = style.getPropertyValue('--alarm').trim();
  let filled = '';
  const { starts, durations, failed } = columns;
  const length = whole.to - whole.from;
  const step = Math.min(tall, 6 * scale);
  // Of a large trace hundreds of rows share a line of pixels: what its colour covers already is not drawn again.
  let line = -1;
  const covered = new Map<string, { from: number; to: number }>();
  rows.eachSpan((at, row) => {
    const isOrigin = failed[at] === 1 && failedBelow[at] === 0;
    const wanted = isOrigin ? alarm : colour(hueNumber(columns.stationOf(at)));
    const from = ((starts[at]! - traceStart - whole.from) / length) * width;
    const to = from + Math.max((durations[at]! / length) * width, scale);
    const top = row * step;
    if (step < 1) {
      if (Math.floor(top) !== line) covered.clear();
      line = Math.floor(top);
      const before = covered.get(wanted);
      if (before && from >= before.from && to <= before.to) return;
      covered.set(wanted, before && from <= before.to && to >= before.from ? { from: Math.min(from, before.from), to: Math.max(to, before.to) } : { from, to });
    }
    if (wanted !== filled) context.fillStyle = filled = wanted;
    context.fillRect(from, top, to - from, thick);
  });
}
