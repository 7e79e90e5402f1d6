// Times in words. Pure, with the clock as an argument.

const STEPS = [
  { unit: 'd', seconds: 86_400 },
  { unit: 'h', seconds: 3_600 },
  { unit: 'min', seconds: 60 },
] as const;

/** How long ago: `now`, `4 min`, `3 h`, `6 d`, and past four weeks the date. */
export function ago(iso: string, now: number): string {
  const then = Date.parse(iso);
  const seconds = (now - then) / 1000;
  if (Number.isNaN(then)) return '';
  if (seconds > 28 * 86_400) return new Date(then).toLocaleDateString(undefined, { day: 'numeric', month: 'short', year: 'numeric' });
  return span(seconds, Math.floor) ?? 'now';
}

/** What is left of a post's life: in words, and as a share of the whole from 0 to 1. */
export function left(created: string, expires: string, now: number): { words: string; share: number } {
  const seconds = (Date.parse(expires) - now) / 1000;
  const whole = (Date.parse(expires) - Date.parse(created)) / 1000;
  const share = whole > 0 ? Math.min(Math.max(seconds / whole, 0), 1) : 0;
  if (seconds <= 0) return { words: 'gone', share: 0 };
  // Rounded, so that a post for seven days begins with seven and not with six.
  return { words: `${span(seconds, Math.round) ?? 'under a minute'} left`, share };
}

function span(seconds: number, whole: (count: number) => number): string | null {
  const step = STEPS.find((each) => whole(seconds / each.seconds) >= 1);
  return step ? `${whole(seconds / step.seconds)} ${step.unit}` : null;
}
