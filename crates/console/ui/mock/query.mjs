// A small stand-in for the console's query engine: enough of it to use the pages, none of its speed or rigour.

const PERCENTILE = /^P(\d+)$/;

/** Spans of made-up traces as rows of columns. */
export function rowsOf(traces) {
  return traces.flatMap(({ traceId, spans }) =>
    spans.map((span) => ({
      at: Number(span.start) / 1e9,
      'trace.trace_id': traceId,
      'trace.span_id': span.spanId,
      ...(span.parent && { 'trace.parent_id': span.parent }),
      'service.name': span.service,
      name: span.name,
      'span.kind': span.kind,
      duration_ms: Number(span.end - span.start) / 1e6,
      ...(span.status === 'error' && { error: true }),
      ...span.attributes,
    })),
  );
}

export function run(rows, body) {
  const started = performance.now();
  const { start, end, granularity, spec, passing } = select(rows, body);
  const times = Array.from({ length: Math.ceil((end - start) / granularity) }, (_, at) => start + at * granularity);
  const breakdowns = spec.breakdowns ?? [];
  const calculations = spec.calculations?.length ? spec.calculations : [{ op: 'COUNT' }];
  const groups = new Map();
  for (const row of passing) {
    const key = JSON.stringify(breakdowns.map((column) => row[column] ?? null));
    if (!groups.has(key)) groups.set(key, []);
    groups.get(key).push(row);
  }
  const summary = (members) => {
    const buckets = times.map(() => []);
    for (const row of members) buckets[Math.min(Math.floor((row.at - start) / granularity), times.length - 1)]?.push(row);
    const plain = calculations.filter(({ op }) => op !== 'HEATMAP');
    return {
      values: Object.fromEntries(plain.map((each) => [keyOf(each), calculate(each, members)])),
      series: Object.fromEntries(plain.map((each) => [keyOf(each), buckets.map((bucket) => calculate(each, bucket))])),
    };
  };
  let found = [...groups].map(([key, members]) => ({
    group: Object.fromEntries(breakdowns.map((column, at) => [column, JSON.parse(key)[at]])),
    ...summary(members),
    exemplars: [...new Set([...members].sort((a, b) => b.duration_ms - a.duration_ms).map((row) => row['trace.trace_id']))].slice(0, 5),
  }));
  const [order = calculations[0]] = spec.orders ?? [];
  const by = (row) => (order.op ? row.values[keyOf(order)] : (row.values[order.column] ?? row.group[order.column])) ?? 0;
  const way = (spec.orders ? order.order : 'descending') === 'descending' ? -1 : 1;
  found.sort((a, b) => (by(a) < by(b) ? -way : by(a) > by(b) ? way : 0));
  for (const { calculate_op: op, column, op: sign, value } of spec.havings ?? []) found = found.filter((row) => compareBy(sign, row.values[keyOf({ op, column })], value));
  const limit = spec.limit ?? 100;
  return {
    query: spec,
    start,
    end,
    granularity,
    rows: found.slice(0, limit),
    groups: found.length,
    times,
    totals: summary(passing),
    other: null,
    heatmaps: calculations.filter(({ op }) => op === 'HEATMAP').map(({ column }) => heatmap(passing, column, { start, granularity, times })),
    scanned: rows.length,
    matched: passing.length,
    elapsed_ms: performance.now() - started,
    truncated: found.length > limit,
  };
}

export function compare(rows, { dataset, query, box }) {
  const { passing } = select(rows, { ...query, dataset });
  const isInside = (row) => row.at >= box.start && row.at < box.end && row[box.column] >= box.min && row[box.column] < box.max;
  const inside = passing.filter(isInside);
  const outside = passing.filter((row) => !isInside(row));
  const columns = [...new Set(passing.flatMap(Object.keys))].filter((column) => column !== 'at' && column !== box.column);
  const shares = (members, column) => {
    const counts = new Map();
    for (const row of members) counts.set(row[column] ?? null, (counts.get(row[column] ?? null) ?? 0) + 1 / members.length);
    return counts;
  };
  const differences = columns.map((column) => {
    const within = shares(inside, column);
    const without = shares(outside, column);
    const values = [...new Set([...within.keys(), ...without.keys()])].map((value) => ({ value, inside: within.get(value) ?? 0, outside: without.get(value) ?? 0 }));
    values.sort((a, b) => Math.abs(b.inside - b.outside) - Math.abs(a.inside - a.outside));
    return { column, score: values.length > 60 ? 0 : values.reduce((sum, each) => sum + Math.abs(each.inside - each.outside), 0) / 2, values: values.slice(0, 20) };
  });
  return { inside: inside.length, outside: outside.length, columns: differences.sort((a, b) => b.score - a.score) };
}

export function columnsOf(rows, dataset) {
  const columns = new Map();
  for (const row of rows) {
    if (dataset && row['service.name'] !== dataset) continue;
    for (const [name, value] of Object.entries(row)) {
      if (name === 'at') continue;
      const type = typeof value === 'number' ? (Number.isInteger(value) ? 'integer' : 'float') : typeof value;
      const known = columns.get(name);
      columns.set(name, { name, type: known?.type === 'float' ? 'float' : type, count: (known?.count ?? 0) + 1 });
    }
  }
  return [...columns.values()].sort((a, b) => (a.name < b.name ? -1 : 1));
}

export function valuesOf(rows, column, prefix, limit) {
  const counts = new Map();
  for (const row of rows) if (row[column] !== undefined && String(row[column]).toLowerCase().includes(prefix.toLowerCase())) counts.set(row[column], (counts.get(row[column]) ?? 0) + 1);
  return [...counts].map(([value, count]) => ({ value, count })).sort((a, b) => b.count - a.count).slice(0, limit);
}

/** Who calls whom: the parent's service and the child's, and a database as a callee of its own. */
export function serviceMap(rows) {
  const byId = new Map(rows.map((row) => [row['trace.span_id'], row]));
  const nodes = new Map();
  const edges = new Map();
  const visit = (map, key, row, more) => {
    if (!map.has(key)) map.set(key, { ...more, members: [] });
    map.get(key).members.push(row);
  };
  for (const row of rows) {
    const service = row['service.name'];
    const parent = byId.get(row['trace.parent_id']);
    const system = row['span.kind'] === 'client' ? row['db.system.name'] : undefined;
    if (system) {
      visit(nodes, system, row, { service: system, kind: 'database' });
      visit(edges, `${service}\n${system}`, row, { from: service, to: system });
    }
    if (parent && parent['service.name'] !== service) visit(edges, `${parent['service.name']}\n${service}`, row, { from: parent['service.name'], to: service });
    if (!parent || parent['service.name'] !== service) visit(nodes, service, row, { service, kind: service.endsWith('-web') ? 'client' : 'service' });
  }
  const figures = ({ members, ...rest }) => ({
    ...rest,
    requests: members.length,
    errors: members.filter((row) => row.error).length,
    p50_ms: calculate({ op: 'P50', column: 'duration_ms' }, members),
    p95_ms: calculate({ op: 'P95', column: 'duration_ms' }, members),
  });
  return { nodes: [...nodes.values()].map(figures), edges: [...edges.values()].map(figures) };
}

function select(rows, { dataset, ...spec }) {
  const now = Math.ceil(Date.now() / 1000);
  const range = spec.time_range ?? 7_200;
  const start = spec.start_time ?? (spec.end_time ?? now) - range;
  const end = spec.end_time ?? (spec.start_time === undefined ? now : spec.start_time + range);
  const granularity = spec.granularity || ([1, 5, 10, 15, 30, 60, 300, 600, 1_800, 3_600].find((step) => (end - start) / step <= 120) ?? 86_400);
  const tests = (spec.filters ?? []).map(({ column, op, value }) => (row) => compareBy(op, row[column], value));
  const passes = spec.filter_combination === 'OR' && tests.length > 0 ? (row) => tests.some((test) => test(row)) : (row) => tests.every((test) => test(row));
  const passing = rows.filter((row) => row.at >= start && row.at < end && (!dataset || row['service.name'] === dataset) && passes(row));
  return { start, end, granularity, spec, passing };
}

function compareBy(op, found, value) {
  switch (op) {
    case '=':
      return found === value;
    case '!=':
      return found !== value;
    case '>':
      return found > value;
    case '>=':
      return found >= value;
    case '<':
      return found < value;
    case '<=':
      return found <= value;
    case 'exists':
      return found !== undefined;
    case 'does-not-exist':
      return found === undefined;
    case 'in':
      return value.includes(found);
    case 'not-in':
      return !value.includes(found);
    case 'contains':
      return String(found ?? '').includes(value);
    case 'does-not-contain':
      return !String(found ?? '').includes(value);
    case 'starts-with':
      return String(found ?? '').startsWith(value);
    default:
      return true;
  }
}

function calculate({ op, column }, members) {
  if (op === 'COUNT') return members.length;
  if (op === 'COUNT_DISTINCT') return new Set(members.map((row) => row[column])).size;
  const numbers = members.map((row) => row[column]).filter((value) => typeof value === 'number');
  if (numbers.length === 0) return null;
  const sum = numbers.reduce((total, each) => total + each, 0);
  if (op === 'SUM') return sum;
  if (op === 'AVG') return sum / numbers.length;
  numbers.sort((a, b) => a - b);
  if (op === 'MIN') return numbers[0];
  if (op === 'MAX') return numbers.at(-1);
  const digits = PERCENTILE.exec(op)?.[1];
  if (digits === undefined) return null;
  return numbers[Math.min(Math.ceil((Number(digits) / 10 ** digits.length) * numbers.length), numbers.length) - 1] ?? numbers[0];
}

function keyOf({ op, column, name }) {
  return name ?? (column ? `${op}(${column})` : op);
}

function heatmap(rows, column, { start, granularity, times }) {
  const numbers = rows.map((row) => row[column]).filter((value) => typeof value === 'number' && value > 0);
  if (numbers.length === 0) return { column, scale: 'linear', edges: [], times, counts: [] };
  const power = 12;
  const first = Math.floor(Math.log10(numbers.reduce((a, b) => Math.min(a, b))) * power);
  const last = Math.floor(Math.log10(numbers.reduce((a, b) => Math.max(a, b))) * power) + 1;
  const edges = Array.from({ length: last - first + 1 }, (_, at) => 10 ** ((first + at) / power));
  const counts = times.map(() => edges.slice(1).map(() => 0));
  for (const row of rows) {
    if (typeof row[column] !== 'number' || row[column] <= 0) continue;
    const bin = Math.min(Math.max(Math.floor(Math.log10(row[column]) * power) - first, 0), edges.length - 2);
    const bucket = counts[Math.min(Math.floor((row.at - start) / granularity), times.length - 1)];
    if (bucket) bucket[bin] += 1;
  }
  return { column, scale: 'log', edges, times, counts };
}
