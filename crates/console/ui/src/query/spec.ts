// A query is Honeycomb's query specification, and the address holds it: /query?query={...}&dataset=... Pure.

/** Honeycomb's words, in the order in which people reach for them. */
export const CALCULATIONS = ['COUNT', 'HEATMAP', 'P95', 'P99', 'P50', 'AVG', 'MAX', 'MIN', 'SUM', 'COUNT_DISTINCT', 'CONCURRENCY', 'P90', 'P75', 'P25', 'P999', 'P80', 'P20', 'P10', 'P05', 'P01', 'P001', 'RATE_AVG', 'RATE_SUM', 'RATE_MAX'] as const;

export const FILTERS = ['=', '!=', '>', '>=', '<', '<=', 'contains', 'does-not-contain', 'starts-with', 'does-not-start-with', 'ends-with', 'does-not-end-with', 'exists', 'does-not-exist', 'in', 'not-in'] as const;

export const COMPARISONS = ['>', '>=', '<', '<=', '=', '!='] as const;

export type Value = string | number | boolean;

export interface Calculation {
  readonly op: string;
  readonly column?: string;
  readonly name?: string;
  readonly filters?: readonly Filter[];
  readonly filter_combination?: 'AND' | 'OR';
}

export interface Filter {
  readonly column: string;
  readonly op: string;
  readonly value?: Value | readonly Value[];
}

export interface Order {
  readonly column?: string;
  readonly op?: string;
  readonly order?: 'ascending' | 'descending';
}

export interface Having {
  readonly calculate_op: string;
  readonly column?: string;
  readonly op: string;
  readonly value: number;
}

export interface Named {
  readonly name: string;
  readonly expression: string;
}

export interface Spec {
  readonly calculations?: readonly Calculation[];
  readonly calculated_fields?: readonly Named[];
  readonly formulas?: readonly Named[];
  readonly filters?: readonly Filter[];
  readonly filter_combination?: 'AND' | 'OR';
  readonly breakdowns?: readonly string[];
  readonly orders?: readonly Order[];
  readonly havings?: readonly Having[];
  readonly limit?: number;
  /** Seconds. */
  readonly granularity?: number;
  readonly time_range?: number;
  /** Seconds since 1970. */
  readonly start_time?: number;
  readonly end_time?: number;
  readonly compare_time_offset_seconds?: number;
}

/** A rectangle of the heatmap: its values from `min` up to `max`, its time in seconds since 1970. */
export interface Box {
  readonly column: string;
  readonly min: number;
  readonly max: number;
  readonly start: number;
  readonly end: number;
}

export type Scale = 'linear' | 'log';

export interface State {
  readonly spec: Spec;
  /** A service; null for all. */
  readonly dataset: string | null;
  readonly box: Box | null;
  readonly tab: 'groups' | 'traces';
  /** Of heatmaps; null leaves the choice to the console. */
  readonly scale: Scale | null;
}

/** What one sees first: how long everything took, by service. */
export const FIRST: Spec = {
  calculations: [{ op: 'HEATMAP', column: 'duration_ms' }, { op: 'COUNT' }, { op: 'P95', column: 'duration_ms' }],
  breakdowns: ['service.name'],
  orders: [{ op: 'COUNT', order: 'descending' }],
  limit: 50,
  time_range: 600,
};

/** The state that an address holds, and what is wrong with it, if anything is. */
export function readState(address: string): State & { readonly problem: string | null } {
  const query = new URL(address, 'http://page').searchParams;
  const dataset = query.get('dataset') || null;
  const tab = query.get('tab') === 'traces' ? 'traces' : 'groups';
  const box = readBox(query.get('box'));
  const scale = SCALES.find((each) => each === query.get('scale')) ?? null;
  const text = query.get('query');
  if (text === null) return { spec: FIRST, dataset, box, tab, scale, problem: null };
  const spec = parseSpec(text);
  if (spec === null) return { spec: FIRST, dataset, box: null, tab, scale, problem: 'The query in the address is no JSON object' };
  return { spec, dataset, box, tab, scale, problem: null };
}

const SCALES = ['linear', 'log'] as const;

export function writeState({ spec, dataset, box, tab, scale }: State): string {
  const query = new URLSearchParams({ query: JSON.stringify(tidy(spec)) });
  if (dataset) query.set('dataset', dataset);
  if (box) query.set('box', [box.start, box.end, box.min, box.max, box.column].join(','));
  if (tab !== 'groups') query.set('tab', tab);
  if (scale) query.set('scale', scale);
  return `/query?${query}`;
}

/** A specification as far as its outside goes: what is in it the console judges, and says where it is wrong. */
export function parseSpec(text: string): Spec | null {
  try {
    const spec: unknown = JSON.parse(text);
    return typeof spec === 'object' && spec !== null && !Array.isArray(spec) ? (spec as Spec) : null;
  } catch {
    return null;
  }
}

/** The address of a query on its own. */
export function queryAddress(spec: Spec, dataset: string | null = null): string {
  return writeState({ spec, dataset, box: null, tab: 'groups', scale: null });
}

/** Start, end, least, most, column: the last may hold commas. */
function readBox(text: string | null): Box | null {
  const [, start, end, min, max, column] = /^([^,]+),([^,]+),([^,]+),([^,]+),(.+)$/.exec(text ?? '') ?? [];
  const box = { column: column ?? '', min: Number(min), max: Number(max), start: Number(start), end: Number(end) };
  return [box.min, box.max, box.start, box.end].every(Number.isFinite) && box.max > box.min && box.end > box.start ? box : null;
}

/** Without empty arrays, which mean nothing. */
export function tidy(spec: Spec): Spec {
  return Object.fromEntries(Object.entries(spec).filter(([, value]) => value !== undefined && !(Array.isArray(value) && value.length === 0)));
}

export function calculations(spec: Spec): readonly Calculation[] {
  return spec.calculations?.length ? spec.calculations : [{ op: 'COUNT' }];
}

/** The key of its values in an answer: its name, or `P95(duration_ms)`. */
export function keyOf({ op, column, name }: Calculation): string {
  return name ?? (column ? `${op}(${column})` : op);
}

/** With one more condition; one that stands there already is not doubled, and its opposite is replaced. */
export function withFilter(spec: Spec, filter: Filter): Spec {
  const kept = (spec.filters ?? []).filter((each) => !(each.column === filter.column && sameValue(each.value, filter.value) && (each.op === filter.op || OPPOSITE[each.op] === filter.op)));
  return { ...spec, filters: [...kept, filter] };
}

const OPPOSITE: Readonly<Record<string, string>> = { '=': '!=', '!=': '=', exists: 'does-not-exist', 'does-not-exist': 'exists' };

function sameValue(a: Filter['value'], b: Filter['value']): boolean {
  return JSON.stringify(a) === JSON.stringify(b);
}

/** The calculation that an order by operator and column means: of several the one without a name, as the console has it. */
export function meant(spec: Spec, { op, column }: Order): Calculation | undefined {
  const alike = calculations(spec).filter((each) => each.op === op && each.column === column);
  return alike.find(({ name }) => name === undefined) ?? alike[0];
}

export function withBreakdown(spec: Spec, column: string): Spec {
  const before = spec.breakdowns ?? [];
  return before.includes(column) ? spec : { ...spec, breakdowns: [...before, column] };
}

/** Orders and conditions on results name calculations; those of calculations that are gone go with them. */
export function withCalculations(spec: Spec, next: readonly Calculation[]): Spec {
  const has = (op: string | undefined, column: string | undefined) => next.some((each) => each.op === op && each.column === column) || next.some((each) => op === undefined && each.name === column);
  return pruned({ ...spec, calculations: next }, has);
}

export function withBreakdowns(spec: Spec, next: readonly string[]): Spec {
  return pruned({ ...spec, breakdowns: next }, (op, column) => calculations(spec).some((each) => (op === undefined ? each.name === column : each.op === op && each.column === column)));
}

function pruned(spec: Spec, has: (op: string | undefined, column: string | undefined) => boolean): Spec {
  const named = (column: string | undefined) => [...(spec.formulas ?? []), ...(spec.calculated_fields ?? [])].some(({ name }) => name === column) || (spec.breakdowns ?? []).includes(column ?? '');
  return {
    ...spec,
    ...(spec.orders && { orders: spec.orders.filter(({ op, column }) => has(op, column) || (op === undefined && named(column))) }),
    ...(spec.havings && { havings: spec.havings.filter(({ calculate_op, column }) => has(calculate_op, column)) }),
  };
}

/** What a group or a value says, as a condition: a missing value is one, too. */
export function filterOf(column: string, value: Value | null, op: '=' | '!=' = '='): Filter {
  if (value === null) return { column, op: op === '=' ? 'does-not-exist' : 'exists' };
  return { column, op, value };
}

/** The conditions that a value of a comparison stands for; of a range, its two ends. */
export function filtersOf(column: string, { value, below }: { readonly value: Value | null; readonly below?: number }): readonly Filter[] {
  if (below === undefined || value === null) return [filterOf(column, value)];
  return [
    { column, op: '>=', value },
    { column, op: '<', value: below },
  ];
}

/** From `start` to `end`; a granularity chosen for another length of time goes. */
export function withTime(spec: Spec, start: number, end: number): Spec {
  const { time_range: _range, granularity: _granularity, ...rest } = spec;
  const from = Math.floor(start);
  const to = Math.max(Math.ceil(end), from + 1);
  return fitting({ ...rest, start_time: from, end_time: to }, to - from);
}

export function withRange(spec: Spec, seconds: number): Spec {
  const { start_time: _start, end_time: _end, granularity: _granularity, ...rest } = spec;
  return fitting({ ...rest, time_range: seconds }, seconds);
}

/** Earlier times that a query can be compared with, by the specification: at least as far away as it is long. */
export const OFFSETS = [1_800, 3_600, 7_200, 28_800, 86_400, 604_800, 2_419_200, 15_724_800] as const;

function fitting(spec: Spec, length: number): Spec {
  const { compare_time_offset_seconds: offset, ...rest } = spec;
  return offset !== undefined && offset < length ? rest : spec;
}

/** The same length of time, earlier or later by half of it; one that reaches up to now stays where it is when it is to go on. */
export function shifted(spec: Spec, shown: { readonly start: number; readonly end: number }, by: -1 | 1): Spec {
  const step = Math.max(Math.round((shown.end - shown.start) / 2), 1) * by;
  return withTime(spec, shown.start + step, shown.end + step);
}

/** `P95(duration_ms), COUNT where error = true by service.name`. */
export function describe(spec: Spec, print: { filter: (filter: Filter) => string }): string {
  const parts = [calculations(spec).map(keyOf).join(', ')];
  if (spec.filters?.length) parts.push(`where ${spec.filters.map(print.filter).join(spec.filter_combination === 'OR' ? ' or ' : ' and ')}`);
  if (spec.breakdowns?.length) parts.push(`by ${spec.breakdowns.join(', ')}`);
  return parts.join(' ');
}
