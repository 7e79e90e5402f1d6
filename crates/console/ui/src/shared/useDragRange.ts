import { useState } from 'react';
import type { PointerEvent } from 'react';

/** A stretch of what is shown: of a trace, nanoseconds since its start. */
export interface View {
  readonly from: number;
  readonly to: number;
}

/** A shorter drag, in pixels, is a click. */
const LEAST = 4;

/** Chooses a stretch of time by dragging over an element that shows `view` from edge to edge. A double click shows the whole again. */
export function useDragRange(view: View, onChoose: (range: View | null) => void) {
  const [drag, setDrag] = useState<{ start: number; now: number } | null>(null);
  const nanosAt = (event: PointerEvent<HTMLElement>) => {
    const { left, width } = event.currentTarget.getBoundingClientRect();
    const share = Math.min(Math.max((event.clientX - left) / width, 0), 1);
    return view.from + share * (view.to - view.from);
  };
  const range = drag && { from: Math.min(drag.start, drag.now), to: Math.max(drag.start, drag.now) };
  return {
    range,
    handlers: {
      onPointerDown: (event: PointerEvent<HTMLElement>) => {
        if (event.button !== 0) return;
        event.currentTarget.setPointerCapture(event.pointerId);
        setDrag({ start: nanosAt(event), now: nanosAt(event) });
      },
      onPointerMove: (event: PointerEvent<HTMLElement>) => {
        const now = nanosAt(event);
        setDrag((before) => before && { ...before, now });
      },
      onPointerUp: (event: PointerEvent<HTMLElement>) => {
        const least = (LEAST / event.currentTarget.getBoundingClientRect().width) * (view.to - view.from);
        if (range && range.to - range.from > least) onChoose(range);
        setDrag(null);
      },
      onPointerCancel: () => setDrag(null),
      onDoubleClick: () => onChoose(null),
    },
  };
}
