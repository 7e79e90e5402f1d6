// Scales, marks and cells of the charts. Pure.

import { duration } from '../shared/format';
import { compact } from './text';

/** A value of a column in words: columns in milliseconds are times. */
export function amount(value: number | null | undefined, name: string): string {
  if (value === null || value === undefined || !Number.isFinite(value)) return '–';
  if (value === 0) return '0';
  return isTime(name) ? duration(value * 1e6) : compact(value);
}

function isTime(name: string): boolean {
  return /^(?!COUNT|CONCURRENCY)(?:[A-Z_0-9]+\()?[^()]*_ms\)?$/.test(name);
}

/** `+12 %`, `−3 %`, `×4.5`. */
export function change(before: number, now: number): string {
  if (before === now) return '=';
  if (before <= 0) return 'new';
  const times = now / before;
  if (times >= 2) return `×${compact(times)}`;
  const percent = Math.round(100 * (times - 1));
  return percent === 0 ? '=' : `${percent > 0 ? '+' : '−'}${Math.abs(percent)} %`;
}

/** Marks from 0, or the least value, to above the largest: steps of 1, 2 or 5 times a power of ten. */
export function axis(least: number, largest: number, most: number): { readonly marks: number[]; readonly from: number; readonly to: number } {
  const from = Math.min(least, 0);
  const length = largest - from;
  if (!(length > 0)) return { marks: [from], from, to: from + 1 };
  const rough = length / most;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((factor) => factor * power).find((each) => each >= rough * 0.999) ?? rough;
  const first = Math.floor(from / step);
  const last = Math.ceil((largest / step) * 0.999);
  const marks = Array.from({ length: last - first + 1 }, (_, at) => Number(((first + at) * step).toPrecision(12)));
  return { marks, from: marks[0] ?? from, to: marks.at(-1) ?? largest };
}

/** Round times of the clock, in seconds: at most `most` of them. `zone` is how far the clock is ahead of UTC, in seconds. */
export function timeMarks(start: number, end: number, most: number, zone = 0): number[] {
  const step = TIME_STEPS.find((each) => (end - start) / each <= most) ?? Math.ceil((end - start) / most / 86_400) * 86_400;
  const marks: number[] = [];
  for (let at = Math.ceil((start + zone) / step) * step - zone; at <= end; at += step) marks.push(at);
  return marks;
}

const TIME_STEPS = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1_800, 3_600, 7_200, 10_800, 21_600, 43_200, 86_400, 172_800, 604_800];

/** `12:40`, `12:40:15` where seconds matter, `21 Nov` at the beginning of a day. */
export function timeLabel(at: number, step: number): string {
  const time = new Date(at * 1000);
  const two = (value: number) => String(value).padStart(2, '0');
  const isMidnight = time.getHours() === 0 && time.getMinutes() === 0 && time.getSeconds() === 0;
  if (isMidnight && step >= 3_600) return `${time.getDate()} ${MONTHS[time.getMonth()]}`;
  return `${two(time.getHours())}:${two(time.getMinutes())}${step < 60 ? `:${two(time.getSeconds())}` : ''}`;
}

const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'];

/** A line through the values, broken where there is none. Values alone between two gaps are `lone` dots. */
export function linePath(values: readonly (number | null)[], x: (at: number) => number, y: (value: number) => number): { readonly line: string; readonly lone: string } {
  let line = '';
  let lone = '';
  values.forEach((value, at) => {
    if (value === null) return;
    const isFirst = (values[at - 1] ?? null) === null;
    const isLast = (values[at + 1] ?? null) === null;
    const point = `${x(at).toFixed(1)} ${y(value).toFixed(1)}`;
    if (isFirst && isLast) lone += `M${point}h.01`;
    else line += `${isFirst ? 'M' : 'L'}${point}`;
  });
  return { line, lone };
}

export interface Heatmap {
  readonly column: string;
  readonly scale: 'linear' | 'log';
  /** The bounds of the bins, one more than there are bins. */
  readonly edges: readonly number[];
  /** The beginning of each bucket, in seconds since 1970. */
  readonly times: readonly number[];
  /** By bucket, then by bin. */
  readonly counts: readonly (readonly number[])[];
}

/**
 * How strong a cell is, from 0 to 1. Counts spread over decades: by their logarithm a single slow request is still seen
 * beside thousands of quick ones.
 */
export function strength(count: number, largest: number): number {
  if (count <= 0) return 0;
  return largest <= 1 ? 1 : LEAST + (1 - LEAST) * (Math.log(count) / Math.log(largest));
}

/** The palest cell is still seen. */
const LEAST = 0.18;

export function largestCount({ counts }: Heatmap): number {
  let largest = 0;
  for (const bucket of counts) for (const count of bucket) largest = Math.max(largest, count);
  return largest;
}

/** A rectangle in cells, both ends included. */
export interface Cells {
  readonly fromTime: number;
  readonly toTime: number;
  readonly fromBin: number;
  readonly toBin: number;
}

/** The cell at a place given as shares of the width and, from below, of the height. */
export function cellAt({ edges, times }: Heatmap, right: number, up: number): { readonly time: number; readonly bin: number } {
  const clamp = (share: number, count: number) => Math.min(Math.max(Math.floor(share * count), 0), count - 1);
  return { time: clamp(right, times.length), bin: clamp(up, edges.length - 1) };
}

/** What a rectangle of cells covers, in the values and times of the data. The last bin holds its upper bound, too. */
export function boxOf({ column, edges, times }: Heatmap, cells: Cells, granularity: number): { column: string; min: number; max: number; start: number; end: number } {
  return {
    column,
    min: edges[cells.fromBin] ?? 0,
    max: cells.toBin + 1 >= edges.length - 1 ? above(edges.at(-1) ?? 0) : (edges[cells.toBin + 1] ?? 0),
    start: times[cells.fromTime] ?? 0,
    end: (times[cells.toTime] ?? 0) + granularity,
  };
}

/** A little more, so that "below this" still holds of the value itself. */
function above(value: number): number {
  return value === 0 ? Number.MIN_VALUE : value + Math.abs(value) * 1e-9;
}

/** Where a box lies in a heatmap, as shares of its width and, from below, its height; null when it lies elsewhere. */
export function placeOf(heatmap: Heatmap, box: { column: string; min: number; max: number; start: number; end: number }, granularity: number): { left: number; right: number; bottom: number; top: number } | null {
  const { edges, times, column } = heatmap;
  const first = times[0];
  if (box.column !== column || first === undefined || edges.length < 2) return null;
  const along = (time: number) => (time - first) / (times.length * granularity);
  const up = (value: number) => {
    const at = edges.findIndex((edge) => edge >= value);
    if (at === 0) return 0;
    if (at === -1) return 1;
    const low = edges[at - 1] ?? 0;
    const high = edges[at] ?? 1;
    return (at - 1 + (value - low) / (high - low)) / (edges.length - 1);
  };
  const clamp = (share: number) => Math.min(Math.max(share, 0), 1);
  const place = { left: clamp(along(box.start)), right: clamp(along(box.end)), bottom: clamp(up(box.min)), top: clamp(up(box.max)) };
  return place.right > place.left && place.top > place.bottom ? place : null;
}

/** Every how many-eth edge gets a label so that at most `most` do, always the outermost. */
export function edgeMarks(edges: readonly number[], most: number): number[] {
  const last = edges.length - 1;
  const step = Math.max(Math.ceil(last / most), 1);
  const marks: number[] = [];
  for (let at = 0; at <= last; at += step) marks.push(at);
  return marks;
}
