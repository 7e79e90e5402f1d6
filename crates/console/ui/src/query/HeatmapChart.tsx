import { useEffect, useRef, useState, useSyncExternalStore } from 'react';

import { count, plural } from '../shared/format';
import { useWidth } from '../shared/useWidth';
import { amount, boxOf, cellAt, edgeMarks, largestCount, placeOf, strength } from './chart';
import type { Cells, Heatmap } from './chart';
import { GUTTER } from './Lines';
import type { Frame } from './Lines';
import type { Box, Scale } from './spec';
import { TimeAxis } from './TimeAxis';

const HEIGHT = 208;

interface Props {
  readonly heatmap: Heatmap;
  readonly frame: Frame;
  readonly box: Box | null;
  readonly hover: number | null;
  readonly onHover: (bucket: number | null) => void;
  readonly onBox: (box: Box | null) => void;
  readonly onScale?: (scale: Scale) => void;
}

/** How the values of a column spread over time. A box dragged over it asks how what is inside differs from the rest. */
export function HeatmapChart({ heatmap, frame, box, hover, onHover, onBox, onScale }: Props) {
  const plot = useRef<HTMLDivElement>(null);
  const canvas = useRef<HTMLCanvasElement>(null);
  const width = Math.max(useWidth(plot) - GUTTER, 0);
  const isDark = useDark();
  const [drag, setDrag] = useState<{ from: { time: number; bin: number }; to: { time: number; bin: number } } | null>(null);
  const [cell, setCell] = useState<{ time: number; bin: number } | null>(null);
  const { edges, times, counts, column } = heatmap;
  const bins = edges.length - 1;

  useEffect(() => {
    if (canvas.current && width > 0) draw(canvas.current, heatmap, width);
  }, [heatmap, width, isDark]);

  const under = (event: React.PointerEvent<HTMLElement>) => {
    const { left, top, width: across, height } = event.currentTarget.getBoundingClientRect();
    return cellAt(heatmap, (event.clientX - left) / across, 1 - (event.clientY - top) / height);
  };
  const cells: Cells | null = drag && {
    fromTime: Math.min(drag.from.time, drag.to.time),
    toTime: Math.max(drag.from.time, drag.to.time),
    fromBin: Math.min(drag.from.bin, drag.to.bin),
    toBin: Math.max(drag.from.bin, drag.to.bin),
  };
  const place = cells
    ? { left: cells.fromTime / times.length, right: (cells.toTime + 1) / times.length, bottom: cells.fromBin / bins, top: (cells.toBin + 1) / bins }
    : box && placeOf(heatmap, box, frame.granularity);
  const shown = cell ?? null;
  const y = (edge: number) => HEIGHT * (1 - edge / bins);

  return (
    <figure className="chart" aria-label={`How ${column} spreads over time`}>
      <figcaption>
        <code>HEATMAP({column})</code>
        {shown ? (
          <span className="readout">
            <span>
              {amount(edges[shown.bin], column)} – {amount(edges[shown.bin + 1], column)} <b>{plural(Math.round(counts[shown.time]?.[shown.bin] ?? 0), 'span')}</b>
            </span>
          </span>
        ) : (
          <span className="soft">Drag a box, or click a cell, to see what differs in it</span>
        )}
        <span className="spacer" />
        {onScale && (
          <button type="button" className="link" title={`The bins are ${heatmap.scale === 'log' ? 'logarithmic' : 'of one width'}`} onClick={() => onScale(heatmap.scale === 'log' ? 'linear' : 'log')}>
            {heatmap.scale}
          </button>
        )}
        <Legend largest={largestCount(heatmap)} />
      </figcaption>
      <div ref={plot} className="plot" style={{ height: HEIGHT }}>
        <div className="y-axis" aria-hidden="true">
          {edgeMarks(edges, 8).map((edge) => (
            <span key={edge} style={{ top: y(edge) }}>
              {amount(edges[edge], column)}
            </span>
          ))}
        </div>
        <div
          className="plane boxes"
          data-heatmap={column}
          onPointerDown={(event) => {
            if (event.button !== 0) return;
            event.currentTarget.setPointerCapture(event.pointerId);
            const at = under(event);
            setDrag({ from: at, to: at });
          }}
          onPointerMove={(event) => {
            const at = under(event);
            setCell(at);
            onHover(at.time);
            setDrag((before) => before && { ...before, to: at });
          }}
          onPointerUp={() => {
            setDrag(null);
            if (!cells) return;
            // One empty cell is a click beside everything: it takes the box away.
            const isOne = cells.fromTime === cells.toTime && cells.fromBin === cells.toBin;
            if (isOne && !(counts[cells.fromTime]?.[cells.fromBin] ?? 0)) onBox(null);
            else onBox(boxOf(heatmap, cells, frame.granularity));
          }}
          onPointerCancel={() => setDrag(null)}
          onPointerLeave={() => {
            setCell(null);
            onHover(null);
          }}
        >
          <canvas ref={canvas} style={{ width, height: HEIGHT }} role="img" aria-label={`${count(times.length)} times ${bins} cells, darker where more spans are`} />
          {hover !== null && !drag && <i className="crosshair" style={{ left: `${(100 * (hover + 0.5)) / times.length}%` }} />}
          {place && <i className="box" style={{ left: `${100 * place.left}%`, width: `${100 * (place.right - place.left)}%`, bottom: `${100 * place.bottom}%`, height: `${100 * (place.top - place.bottom)}%` }} />}
        </div>
      </div>
      <TimeAxis start={frame.start} end={frame.end} width={width} hover={null} />
    </figure>
  );
}

function Legend({ largest }: { largest: number }) {
  return (
    <span className="legend" aria-hidden="true">
      1 <i /> {count(Math.round(largest))}
    </span>
  );
}

function draw(canvas: HTMLCanvasElement, heatmap: Heatmap, width: number): void {
  const scale = devicePixelRatio;
  canvas.width = Math.round(width * scale);
  canvas.height = Math.round(HEIGHT * scale);
  const context = canvas.getContext('2d');
  if (!context) return;
  const styles = getComputedStyle(canvas);
  const stops = [1, 2, 3].map((stop) => rgb(styles.getPropertyValue(`--heat-${stop}`)));
  const largest = largestCount(heatmap);
  const bins = heatmap.edges.length - 1;
  const across = canvas.width / heatmap.times.length;
  const up = canvas.height / bins;
  heatmap.counts.forEach((bucket, time) => {
    const left = Math.round(time * across);
    const right = Math.round((time + 1) * across);
    bucket.forEach((found, bin) => {
      if (found <= 0) return;
      const top = Math.round(canvas.height - (bin + 1) * up);
      const bottom = Math.round(canvas.height - bin * up);
      context.fillStyle = mix(stops, strength(found, largest));
      context.fillRect(left, top, Math.max(right - left, 1), Math.max(bottom - top, 1));
    });
  });
}

type Colour = readonly [number, number, number];

function rgb(text: string): Colour {
  const value = Number.parseInt(text.trim().slice(1), 16);
  return [(value >> 16) & 255, (value >> 8) & 255, value & 255];
}

function mix(stops: readonly Colour[], share: number): string {
  const at = Math.min(Math.max(share, 0), 1) * (stops.length - 1);
  const low = stops[Math.floor(at)] ?? [0, 0, 0];
  const high = stops[Math.ceil(at)] ?? low;
  const between = (from: number, to: number) => Math.round(from + (to - from) * (at % 1));
  return `rgb(${between(low[0], high[0])} ${between(low[1], high[1])} ${between(low[2], high[2])})`;
}

/** A canvas does not follow the style sheet by itself. */
function useDark(): boolean {
  return useSyncExternalStore(
    (changed) => {
      const query = matchMedia('(prefers-color-scheme: dark)');
      query.addEventListener('change', changed);
      return () => query.removeEventListener('change', changed);
    },
    () => matchMedia('(prefers-color-scheme: dark)').matches,
  );
}
