// Times and sizes in words. Pure; whoever needs a clock brings it.

/** `740 ns`, `13.4 µs`, `2.1 ms`, `1.25 s`, `2 min 5 s`: three digits that matter. */
export function duration(nanos: number): string {
  if (nanos < 1_000) return `${Math.round(nanos)} ns`;
  if (nanos < 999_500) return `${digits(nanos / 1e3)} µs`;
  if (nanos < 999_500_000) return `${digits(nanos / 1e6)} ms`;
  if (nanos < 59_950_000_000) return `${digits(nanos / 1e9)} s`;
  const seconds = Math.round(nanos / 1e9);
  if (seconds < 3_600) return `${Math.floor(seconds / 60)} min ${seconds % 60} s`;
  const minutes = Math.round(seconds / 60);
  return `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

function digits(value: number): string {
  const text = value < 10 ? value.toFixed(2) : value < 100 ? value.toFixed(1) : value.toFixed(0);
  return text.includes('.') ? text.replace(/\.?0+$/, '') : text;
}

/** The clock as people read it: `08:31:07.204`, with the day before it when that is not today. */
export function clock(unixNano: number, now: number): string {
  const at = new Date(unixNano / 1e6);
  const time = `${two(at.getHours())}:${two(at.getMinutes())}:${two(at.getSeconds())}.${String(at.getMilliseconds()).padStart(3, '0')}`;
  const today = new Date(now).toDateString() === at.toDateString();
  return today ? time : `${at.toLocaleDateString('en-GB', { day: 'numeric', month: 'short' })} ${time.slice(0, 8)}`;
}

/** `now`, `12 s ago`, `4 min ago`, `3 h ago`, `6 d ago`. */
export function ago(unixNano: number, now: number): string {
  const seconds = Math.round((now - unixNano / 1e6) / 1000);
  if (seconds < 2) return 'now';
  if (seconds < 60) return `${seconds} s ago`;
  if (seconds < 3_600) return `${Math.floor(seconds / 60)} min ago`;
  if (seconds < 86_400) return `${Math.floor(seconds / 3_600)} h ago`;
  return `${Math.floor(seconds / 86_400)} d ago`;
}

export function bytes(count: number): string {
  if (count < 1_024) return `${count} B`;
  if (count < 1_048_576) return `${digits(count / 1_024)} KiB`;
  if (count < 1_073_741_824) return `${digits(count / 1_048_576)} MiB`;
  return `${digits(count / 1_073_741_824)} GiB`;
}

export function count(value: number): string {
  // Not by the locale where it goes without: the first of those takes a browser a tenth of a second.
  if (!Number.isInteger(value)) return value.toLocaleString('en-US');
  return String(value).replace(/\B(?=(\d{3})+$)/g, ',');
}

/** `1 span`, `2,000 spans`. */
export function plural(value: number, one: string): string {
  return `${count(value)} ${one}${value === 1 ? '' : 's'}`;
}

/** Reads `250`, `250ms`, `1.5 s`, `800us` as milliseconds; null when it is none of these. */
export function parseMilliseconds(text: string): number | null {
  const match = /^\s*(\d+(?:\.\d+)?|\.\d+)\s*(us|µs|ms|s|)\s*$/i.exec(text);
  if (!match) return null;
  const unit = (match[2] ?? '').toLowerCase();
  const factor = unit === 's' ? 1_000 : unit === 'us' || unit === 'µs' ? 0.001 : 1;
  return Number(match[1]) * factor;
}

/** Where a ruler of `length` nanoseconds gets its marks: steps of 1, 2 or 5 times a power of ten, at most `most`. */
export function ticks(from: number, to: number, most: number): number[] {
  const length = to - from;
  if (!(length > 0)) return [from];
  const rough = length / Math.max(most, 1);
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = Math.max([1, 2, 5, 10].map((factor) => factor * power).find((each) => each >= rough) ?? rough, 1);
  const marks: number[] = [];
  for (let mark = Math.ceil(from / step) * step; mark <= to; mark += step) marks.push(mark);
  return marks;
}

function two(value: number): string {
  return String(value).padStart(2, '0');
}
