import { useState } from 'react';

import { count, duration } from '../shared/format';
import { bars, between } from './model';
import type { TraceSummary } from './model';

const BARS = 30;

/** How long the listed traces took. Bars are chosen by dragging, which narrows the list to them. */
export function ResponseTimes({ traces, onFilter }: { traces: readonly TraceSummary[]; onFilter: (expression: string) => void }) {
  const [drag, setDrag] = useState<{ from: number; to: number } | null>(null);
  const columns = bars(
    traces.map(({ ResponseTime }) => ResponseTime),
    BARS,
  );
  const tallest = Math.max(1, ...columns.map((each) => each.count));
  const first = columns[0];
  const last = columns.at(-1);
  if (!first || !last) return null;
  const placeOf = (event: React.PointerEvent) => {
    const { left, width } = event.currentTarget.getBoundingClientRect();
    return Math.min(Math.max(Math.floor(((event.clientX - left) / width) * BARS), 0), BARS - 1);
  };
  const [low, high] = drag ? [Math.min(drag.from, drag.to), Math.max(drag.from, drag.to)] : [-1, -1];
  return (
    <figure className="response-times">
      <h2>Response time</h2>
      <svg
        viewBox={`0 0 ${BARS * 8} 60`}
        preserveAspectRatio="none"
        role="img"
        aria-label="How long the listed traces took"
        onPointerDown={(event) => {
          event.currentTarget.setPointerCapture(event.pointerId);
          setDrag({ from: placeOf(event), to: placeOf(event) });
        }}
        onPointerMove={(event) => drag && setDrag({ ...drag, to: placeOf(event) })}
        onPointerUp={() => {
          setDrag(null);
          if (columns[low] && columns[high]) onFilter(between(columns[low].from, columns[high].to));
        }}
        onPointerCancel={() => setDrag(null)}
      >
        {columns.map((each, at) => (
          <g key={at} data-chosen={at >= low && at <= high}>
            <title>{`${duration(each.from * 1e9)} to ${duration(each.to * 1e9)}: ${count(each.count)}`}</title>
            <rect className="reach" x={at * 8} width="8" y="0" height="60" />
            {each.count > 0 && <rect x={at * 8 + 0.5} width="7" y={60 - Math.max((56 * each.count) / tallest, 2)} height={Math.max((56 * each.count) / tallest, 2)} />}
          </g>
        ))}
      </svg>
      <figcaption>
        <span>{duration(first.from * 1e9)}</span>
        <span className="soft">drag to filter</span>
        <span>{duration(last.to * 1e9)}</span>
      </figcaption>
    </figure>
  );
}
