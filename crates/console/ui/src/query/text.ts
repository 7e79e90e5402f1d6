// The parts of a query as people type them, both ways, and what can come next while they do. Pure.

import { CALCULATIONS, COMPARISONS, FILTERS } from './spec';
import type { Calculation, Filter, Having, Named, Order, Value } from './spec';

export type ColumnType = 'string' | 'integer' | 'float' | 'boolean';

export interface Column {
  readonly name: string;
  readonly type: ColumnType;
  readonly count: number;
}

/** Something understood, or what is missing, in words. */
export type Parsed<T> = { readonly ok: T } | { readonly missing: string };

/** One way to go on. `text` is the whole that stands in the field then. */
export interface Suggestion {
  readonly text: string;
  readonly label: string;
  readonly hint: string;
  /** Nothing has to follow. */
  readonly complete: boolean;
}

const NO_VALUE: ReadonlySet<string> = new Set(['exists', 'does-not-exist']);
const LISTS: ReadonlySet<string> = new Set(['in', 'not-in']);
const VALUES_KNOWN: ReadonlySet<string> = new Set(['=', '!=', 'in', 'not-in']);
const TEXTS: ReadonlySet<string> = new Set(['contains', 'does-not-contain', 'starts-with', 'does-not-start-with', 'ends-with', 'does-not-end-with']);
/** Suggestions at a time. */
const MOST = 12;

// ---- conditions

/** `http.route = /api/activities/home`. A column with a blank in its name stands in double quotes. */
export function parseFilter(text: string, typeOf: (column: string) => ColumnType | undefined): Parsed<Filter> {
  const { column, op, rest } = splitFilter(text);
  if (column === '') return { missing: 'a column' };
  if (!(FILTERS as readonly string[]).includes(op)) return { missing: 'an operator: = != > < contains exists …' };
  if (NO_VALUE.has(op)) return rest === '' ? { ok: { column, op } } : { missing: `nothing: ${op} takes no value` };
  if (rest === '') return { missing: 'a value' };
  const isText = TEXTS.has(op);
  const read = (word: string) => (isText ? unquoted(word) : readValue(word, typeOf(column)));
  return { ok: { column, op, value: LISTS.has(op) ? splitList(rest).map(read) : read(rest) } };
}

export function printFilter({ column, op, value }: Filter): string {
  const name = /\s|"/.test(column) ? JSON.stringify(column) : column;
  if (value === undefined) return `${name} ${op}`;
  const written = typeof value === 'object' ? value.map((each) => printValue(each, true)).join(', ') : printValue(value, false);
  return `${name} ${op} ${written}`;
}

export function suggestFilter(text: string, columns: readonly Column[], values: readonly { readonly value: Value; readonly count: number }[]): Suggestion[] {
  const { column, op, rest, stage } = splitFilter(text);
  if (stage === 'column') return suggestColumns(column, columns).map((each) => ({ ...each, text: `${quotedName(each.label)} `, complete: false }));
  const name = quotedName(column);
  if (stage === 'op') {
    return opsFor(columns.find((each) => each.name === column)?.type)
      .filter((each) => each.startsWith(op))
      .map((each) => ({ text: NO_VALUE.has(each) ? `${name} ${each}` : `${name} ${each} `, label: each, hint: '', complete: NO_VALUE.has(each) }));
  }
  // Whoever types part of a value after `contains`, or a bound, means just that.
  if (stage !== 'value' || !VALUES_KNOWN.has(op)) return [];
  const isList = LISTS.has(op);
  const before = isList ? splitList(rest).slice(0, -1) : [];
  const last = isList ? (/,\s*$/.test(rest) ? '' : (splitList(rest).at(-1) ?? '')) : rest;
  const head = isList && /,\s*$/.test(rest) ? splitList(rest) : before;
  return values
    .filter(({ value }) => String(value).toLowerCase().includes(unquoted(last).toLowerCase()))
    .slice(0, MOST)
    .map(({ value, count }) => ({
      text: `${name} ${op} ${[...head, printValue(value, isList)].join(', ')}`,
      label: String(value),
      hint: compact(count),
      complete: true,
    }));
}

/** The column whose values are asked for at this point of typing. */
export function valuesWanted(text: string): { readonly column: string; readonly prefix: string } | null {
  const { column, op, rest, stage } = splitFilter(text);
  if (stage !== 'value' || !VALUES_KNOWN.has(op)) return null;
  return { column, prefix: LISTS.has(op) ? unquoted(/,\s*$/.test(rest) ? '' : (splitList(rest).at(-1) ?? '')) : unquoted(rest) };
}

function splitFilter(text: string): { column: string; op: string; rest: string; stage: 'column' | 'op' | 'value' } {
  const match = /^\s*("(?:[^"\\]|\\.)*"|[^\s=!<>"]+)(\s*)([\s\S]*)$/.exec(text);
  if (!match) return { column: text.trim().replace(/^"/, ''), op: '', rest: '', stage: 'column' };
  const [, quoted = '', gap = '', after = ''] = match;
  const column = unquoted(quoted);
  if (gap === '' && after === '') return { column, op: '', rest: '', stage: 'column' };
  const sign = /^(!=|>=|<=|=|>|<)\s*([\s\S]*)$/.exec(after);
  if (sign) return { column, op: sign[1] ?? '', rest: (sign[2] ?? '').trim(), stage: 'value' };
  const word = /^([a-z-]+)(\s+|$)([\s\S]*)$/i.exec(after);
  const op = (word?.[1] ?? after).toLowerCase();
  const isWhole = (FILTERS as readonly string[]).includes(op);
  if (word && isWhole && (word[2] !== '' || NO_VALUE.has(op))) return { column, op, rest: (word[3] ?? '').trim(), stage: 'value' };
  return { column, op: isWhole ? op : word && word[2] !== '' ? '' : op, rest: '', stage: 'op' };
}

function opsFor(type: ColumnType | undefined): readonly string[] {
  if (type === 'boolean') return ['=', '!=', 'exists', 'does-not-exist'];
  if (type === 'integer' || type === 'float') return ['>', '>=', '<', '<=', '=', '!=', 'exists', 'does-not-exist', 'in', 'not-in'];
  return ['=', '!=', 'contains', 'does-not-contain', 'starts-with', 'does-not-start-with', 'ends-with', 'does-not-end-with', 'exists', 'does-not-exist', 'in', 'not-in', '>', '>=', '<', '<='];
}

/** What is quoted is text. Otherwise the type of the column decides; where that is not known, the look of the value. */
function readValue(word: string, type: ColumnType | undefined): Value {
  if (/^".*"$/s.test(word) || type === 'string') return unquoted(word);
  if ((type === undefined || type === 'boolean') && /^(true|false)$/.test(word)) return word === 'true';
  if (/^-?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(word)) return Number(word);
  const withUnit = type === 'float' || type === 'integer' ? /^(\d+(?:\.\d+)?)\s*(us|µs|ms|s)$/.exec(word) : null;
  // Durations are in milliseconds.
  if (withUnit) return Number(withUnit[1]) * ({ us: 0.001, µs: 0.001, ms: 1, s: 1_000 }[withUnit[2] ?? ''] ?? 1);
  return word;
}

/** Text that would be read as something else stands in quotes. */
function printValue(value: Value, inList: boolean): string {
  if (typeof value !== 'string') return String(value);
  const isPlain = value !== '' && value.trim() === value && !/^"|^(true|false)$|^-?\.?\d/.test(value) && !(inList && /[,"]/.test(value));
  return isPlain ? value : JSON.stringify(value);
}

function unquoted(word: string): string {
  if (!word.startsWith('"')) return word;
  try {
    return String(JSON.parse(word));
  } catch {
    return word.slice(1);
  }
}

function quotedName(name: string): string {
  return /[\s"=!<>]/.test(name) ? JSON.stringify(name) : name;
}

/** By commas outside of quotes. */
function splitList(text: string): string[] {
  return (text.match(/\s*"(?:[^"\\]|\\.)*"\s*|[^,]+/g) ?? []).map((word) => word.trim()).filter((word) => word !== '');
}

// ---- columns

/** Those that begin with what was typed, then those with a part that does, then those that contain it; the frequent before the rare. */
export function suggestColumns(typed: string, columns: readonly Column[]): Suggestion[] {
  const wanted = typed.toLowerCase();
  const rank = ({ name }: Column) => {
    const text = name.toLowerCase();
    if (text === wanted) return 0;
    if (text.startsWith(wanted)) return 1;
    if (text.split(/[._\s]/).some((part) => part.startsWith(wanted))) return 2;
    return text.includes(wanted) ? 3 : -1;
  };
  return columns
    .map((column) => ({ column, rank: rank(column) }))
    .filter((each) => each.rank >= 0)
    .sort((a, b) => a.rank - b.rank || b.column.count - a.column.count || (a.column.name < b.column.name ? -1 : 1))
    .slice(0, MOST)
    .map(({ column }) => ({ text: column.name, label: column.name, hint: `${column.type} · ${compact(column.count)}`, complete: true }));
}

// ---- calculations

/** `P95(duration_ms)`, `p95 duration_ms`, `count`. */
export function parseCalculation(text: string): Parsed<Calculation> {
  const [, word = '', , inside, after] = /^\s*([A-Za-z_0-9]+)\s*(\(\s*([^)]*?)\s*\)?\s*|\s+(\S+)\s*)?$/.exec(text) ?? [];
  const op = word.toUpperCase();
  if (!(CALCULATIONS as readonly string[]).includes(op)) return { missing: word === '' ? 'a calculation, such as COUNT or P95(duration_ms)' : `one of ${CALCULATIONS.slice(0, 11).join(' ')} …` };
  const column = inside ?? after ?? '';
  if (column === '') return op === 'COUNT' || op === 'CONCURRENCY' ? { ok: { op } } : { missing: `a column: ${op}(duration_ms)` };
  return op === 'CONCURRENCY' ? { missing: 'nothing: CONCURRENCY has no column' } : { ok: { op, column } };
}

export function printCalculation({ op, column, name, filters }: Calculation): string {
  const text = column ? `${op}(${column})` : op;
  return `${text}${filters?.length ? ` where ${filters.map(printFilter).join(' and ')}` : ''}${name ? ` as ${name}` : ''}`;
}

export function suggestCalculation(text: string, columns: readonly Column[]): Suggestion[] {
  const [, word = '', column] = /^\s*([A-Za-z_0-9]*)(?:[\s(]+([^)]*))?/.exec(text) ?? [];
  const op = word.toUpperCase();
  if (column !== undefined && (CALCULATIONS as readonly string[]).includes(op)) {
    // Most calculations are of numbers.
    const fitting = op === 'COUNT_DISTINCT' || op === 'COUNT' ? columns : columns.filter(({ type }) => type === 'integer' || type === 'float');
    return suggestColumns(column, fitting).map((each) => ({ ...each, text: `${op}(${each.label})`, label: `${op}(${each.label})` }));
  }
  return CALCULATIONS.filter((each) => each.startsWith(op))
    .slice(0, MOST)
    .map((each) => {
      const complete = each === 'COUNT' || each === 'CONCURRENCY';
      return { text: complete ? each : `${each}(`, label: each, hint: WHAT[each] ?? 'percentile', complete };
    });
}

const WHAT: Readonly<Record<string, string>> = {
  COUNT: 'how many',
  HEATMAP: 'how values spread over time',
  AVG: 'average',
  MAX: 'largest',
  MIN: 'smallest',
  SUM: 'sum',
  COUNT_DISTINCT: 'how many different values',
  CONCURRENCY: 'how many at the same time',
  P50: 'median',
  RATE_AVG: 'change of the average',
  RATE_SUM: 'change of the sum',
  RATE_MAX: 'change of the largest',
};

// ---- order and conditions on results

/** `COUNT desc`, `P95(duration_ms)`, `http.route asc`. Calculations are wanted largest first. */
export function parseOrder(text: string): Parsed<Order> {
  const [, what = '', way] = /^\s*(.*?)(?:\s+(asc|desc|ascending|descending))?\s*$/i.exec(text) ?? [];
  if (what === '') return { missing: 'a calculation or a column of GROUP BY' };
  const calculation = parseCalculation(what);
  const isCalculation = 'ok' in calculation && /^[A-Z0-9_]+(\(.*\))?$/.test(what);
  const order = way === undefined ? (isCalculation ? 'descending' : 'ascending') : way.toLowerCase().startsWith('asc') ? 'ascending' : 'descending';
  return { ok: isCalculation ? { ...calculation.ok, order } : { column: what, order } };
}

export function printOrder({ op, column, order }: Order): string {
  return `${op ? (column ? `${op}(${column})` : op) : (column ?? '')} ${order === 'descending' ? 'desc' : 'asc'}`;
}

export function parseHaving(text: string): Parsed<Having> {
  const [, what = '', op, number] = /^\s*(.+?)\s*(!=|>=|<=|=|>|<)\s*(-?[\d.]+(?:e[+-]?\d+)?)\s*$/i.exec(text) ?? [];
  const calculation = parseCalculation(what);
  if (!op || !('ok' in calculation) || !Number.isFinite(Number(number))) return { missing: 'a calculation, a sign and a number: COUNT > 10' };
  return { ok: { calculate_op: calculation.ok.op, ...(calculation.ok.column && { column: calculation.ok.column }), op, value: Number(number) } };
}

export function printHaving({ calculate_op, column, op, value }: Having): string {
  return `${column ? `${calculate_op}(${column})` : calculate_op} ${op} ${value}`;
}

/** Of the things that the query has. */
export function suggestOrder(text: string, calculations: readonly string[], columns: readonly string[]): Suggestion[] {
  const wanted = text.trim().toLowerCase();
  const ways = [...calculations.flatMap((name) => [`${name} desc`, `${name} asc`]), ...columns.flatMap((name) => [`${name} asc`, `${name} desc`])];
  return ways.filter((way) => way.toLowerCase().includes(wanted)).map((way) => ({ text: way, label: way, hint: '', complete: true }));
}

export function suggestHaving(text: string, calculations: readonly string[]): Suggestion[] {
  if (calculations.some((name) => text.startsWith(`${name} `))) return [];
  const wanted = text.trim().toLowerCase();
  return calculations.filter((name) => name.toLowerCase().includes(wanted)).flatMap((name) => COMPARISONS.slice(0, 2).map((op) => ({ text: `${name} ${op} `, label: `${name} ${op} …`, hint: '', complete: false })));
}

// ---- calculated fields

export function parseNamed(text: string): Parsed<Named> {
  const [, name, expression] = /^\s*([^\s=]+)\s*=\s*(\S[\s\S]*)$/.exec(text) ?? [];
  return name && expression ? { ok: { name, expression: expression.trim() } } : { missing: 'a name and an expression: is_slow = GT($duration_ms, 100)' };
}

export function printNamed({ name, expression }: Named): string {
  return `${name} = ${expression}`;
}

/** `12`, `3.4k`, `1.2M`. */
export function compact(value: number): string {
  const size = Math.abs(value);
  if (size >= 999_500) return `${three(value / 1e6)}M`;
  if (size >= 9_995) return `${three(value / 1e3)}k`;
  return three(value);
}

function three(value: number): string {
  if (Number.isInteger(value)) return value.toLocaleString('en-US');
  const size = Math.abs(value);
  const decimals = size >= 100 ? 0 : size >= 10 ? 1 : size >= 1 ? 2 : 3;
  return String(Number(value.toFixed(decimals)));
}
