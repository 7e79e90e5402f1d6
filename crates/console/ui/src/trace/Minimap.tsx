import { useEffect, useRef } from 'react';

import { afterPaint } from '../shared/afterPaint';
import { hueNumber } from '../shared/colours';
import { station } from './describe';
import { isOrigin } from './path';
import type { Node, Row } from './tree';
import { useDragRange } from '../shared/useDragRange';
import type { View } from '../shared/useDragRange';

/** The whole trace in one look. Drag to choose the stretch of time that the waterfall shows. */
export function Minimap({ traceStart, rows, whole, view, onZoom }: { traceStart: number; rows: readonly Row[]; whole: View; view: View; onZoom: (view: View | null) => void }) {
  const canvas = useRef<HTMLCanvasElement>(null);
  const drag = useDragRange(whole, onZoom);
  const shown = drag.range ?? view;
  const percent = (nanos: number) => (100 * (nanos - whole.from)) / (whole.to - whole.from);

  useEffect(() => {
    const element = canvas.current;
    if (!element) return;
    const draw = () => paint(element, rows, traceStart, whole);
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
  }, [rows, traceStart, whole]);

  return (
    <div className="minimap" {...drag.handlers} title="Drag to zoom, double click to see the whole trace">
      <canvas ref={canvas} role="img" aria-label="The whole trace" />
      <i className="shade" style={{ left: 0, width: `${Math.max(percent(shown.from), 0)}%` }} />
      <i className="shade" style={{ right: 0, width: `${Math.max(100 - percent(shown.to), 0)}%` }} />
    </div>
  );
}

function paint(canvas: HTMLCanvasElement, rows: readonly Row[], traceStart: number, whole: View): void {
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
  const draw = (node: Node, index: number) => {
    const { span } = node;
    const wanted = isOrigin(node) ? alarm : colour(hueNumber(station(span)));
    if (wanted !== filled) context.fillStyle = filled = wanted;
    const left = (span.start_unix_nano - traceStart - whole.from) / (whole.to - whole.from);
    context.fillRect(left * width, index * Math.min(tall, 6 * scale), Math.max((span.duration_nano / (whole.to - whole.from)) * width, scale), thick);
  };
  rows.forEach(({ node, repeat, collapsed }, index) => {
    if (node) draw(node, index);
    else if (repeat && collapsed) for (const each of repeat.nodes) draw(each, index);
  });
}
