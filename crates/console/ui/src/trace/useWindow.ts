import { useEffect, useState } from 'react';
import type { RefObject } from 'react';

/** Every row has this height, in CSS pixels; `--row` in styles/trace.css says the same. */
export const ROW_HEIGHT = 26;

/** Rows that are drawn above and below what is seen, so that a quick scroll shows no gap. */
const SPARE = 12;

/** Which of `count` rows to draw in a box that scrolls: those in sight, and a few more. */
export function useWindow(box: RefObject<HTMLElement | null>, count: number): { first: number; last: number } {
  const [seen, setSeen] = useState({ first: 0, rows: 40 });

  useEffect(() => {
    const element = box.current;
    if (!element) return;
    const look = () => {
      const first = Math.floor(element.scrollTop / ROW_HEIGHT);
      const rows = Math.ceil(element.clientHeight / ROW_HEIGHT) + 1;
      setSeen((before) => (before.first === first && before.rows === rows ? before : { first, rows }));
    };
    look();
    const resized = new ResizeObserver(look);
    resized.observe(element);
    element.addEventListener('scroll', look, { passive: true });
    return () => {
      resized.disconnect();
      element.removeEventListener('scroll', look);
    };
  }, [box]);

  // Rows may have become fewer since the last scroll.
  const first = Math.max(Math.min(seen.first, count - seen.rows) - SPARE, 0);
  return { first, last: Math.min(first + seen.rows + 2 * SPARE, count) };
}
