// Stands in for the console, to look at the UI alone: `npm run mock`, after `npm run build`, or beside
// `npm run dev`. A trace arrives every two seconds; what does not fit the demonstration's own traces
// (orphans, loops, a root that comes late) is there too.

import { createReadStream, existsSync } from 'node:fs';
import { createServer } from 'node:http';
import { dirname, extname, join, normalize } from 'node:path';
import process from 'node:process';
import { fileURLToPath } from 'node:url';

import { columnsOf, compare, rowsOf, run, serviceMap, valuesOf } from './query.mjs';
import { anHour, homeFeed, large, random, someTraces, toApi, toApiSpan, toSummary, trace } from './traces.mjs';

const DIST = process.env.CONSOLE_UI_DIR ?? join(dirname(fileURLToPath(import.meta.url)), '..', 'dist');
const TYPES = { '.html': 'text/html', '.js': 'text/javascript', '.css': 'text/css', '.svg': 'image/svg+xml', '.map': 'application/json' };

/** The policy that the console sends (api/ui.rs). */
const CSP = "default-src 'self'; img-src 'self' data:; object-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/** Listens on `port` (0 takes a free one). `arrive` stores a trace, or more spans of one, and tells who watches. */
export async function start({ port = 4380, traces = [] } = {}) {
  const byId = new Map();
  const watchers = new Set();
  let rows = null;
  const known = () => (rows ??= rowsOf([...byId.values()]));
  const arrive = (each) => {
    const before = byId.get(each.traceId);
    byId.set(each.traceId, before ? { ...before, spans: [...before.spans, ...each.spans] } : each);
    rows = null;
    for (const watcher of watchers) watcher(each.traceId);
  };

  traces.forEach(arrive);
  const saved = new Map(SAVED.map((each) => [each.name, each]));
  const server = createServer(async (request, response) => {
    const url = new URL(request.url ?? '/', 'http://mock');
    const query = url.searchParams;
    const [, , , traceId, , spanId] = url.pathname.split('/');
    const fits = (row) =>
      (!query.get('service') || row.services.includes(query.get('service'))) &&
      row.duration_nano >= Number(query.get('min_duration_ms') ?? 0) * 1e6 &&
      (query.get('error') !== 'true' || row.error_count > 0);

    if (url.pathname === '/api/traces') {
      const rows = [...byId.values()].map(toSummary).filter(fits).sort((a, b) => b.start_unix_nano - a.start_unix_nano);
      const limit = Number(query.get('limit') ?? 50);
      return json(response, 200, { traces: rows.slice(0, limit), next: rows.length > limit ? 'more' : null });
    }
    if (url.pathname === '/api/traces/stream') {
      response.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-store' });
      response.write(': connected\n\n');
      const watcher = (id) => {
        const row = toSummary(byId.get(id));
        if (fits(row) && (!query.get('trace_id') || query.get('trace_id') === id)) response.write(`event: traces\ndata: ${JSON.stringify({ traces: [row] })}\n\n`);
      };
      watchers.add(watcher);
      request.on('close', () => watchers.delete(watcher));
      return;
    }
    if (url.pathname.startsWith('/api/traces/')) {
      const found = byId.get(traceId);
      if (!found) return problem(response, 404, 'Not found', 'there is no such trace');
      if (!spanId) return json(response, 200, toApi(found, { brief: query.get('brief') === 'true' }));
      const span = found.spans.find((each) => each.spanId === spanId);
      return span ? json(response, 200, toApiSpan(traceId, span)) : problem(response, 404, 'Not found', 'there is no such span');
    }
    if (request.method === 'POST' || request.method === 'PUT') {
      const text = await new Promise((resolve) => {
        let all = '';
        request.on('data', (chunk) => (all += chunk)).on('end', () => resolve(all));
      });
      const body = JSON.parse(text || '{}');
      if (url.pathname === '/api/query') return json(response, 200, run(known(), body));
      if (url.pathname === '/api/query/compare') return json(response, 200, compare(known(), body));
      if (url.pathname.startsWith('/api/queries/')) {
        saved.set(traceId, { name: traceId, file: `queries/${traceId}.json`, ...body });
        return json(response, 200, saved.get(traceId));
      }
    }
    if (url.pathname === '/api/columns') return json(response, 200, { columns: columnsOf(known(), query.get('dataset')) });
    if (url.pathname === '/api/columns/values') return json(response, 200, { values: valuesOf(known(), query.get('column'), query.get('prefix') ?? '', Number(query.get('limit') ?? 20)) });
    if (url.pathname === '/api/datasets') return json(response, 200, { datasets: [...new Set(known().map((row) => row['service.name']))].sort() });
    if (url.pathname === '/api/queries') return json(response, 200, { queries: [...saved.values()] });
    if (url.pathname === '/api/service-map') return json(response, 200, serviceMap(known().filter(({ at }) => at >= Number(query.get('start') ?? 0))));
    if (url.pathname === '/api/errors') return json(response, 200, { groups: [], next: null });
    if (url.pathname === '/api/stats') return json(response, 200, stats(byId));
    return file(response, url.pathname);
  });
  await new Promise((resolve) => server.listen(port, '127.0.0.1', resolve));
  const stop = () => {
    server.closeAllConnections();
    server.close();
  };
  return { url: `http://127.0.0.1:${server.address().port}`, arrive, stop };
}

const SAVED = [
  {
    name: 'latency-by-user-id',
    title: 'Latency by UserID',
    description: 'Who waits longest',
    file: 'queries/latency-by-user-id.json',
    query: { calculations: [{ op: 'HEATMAP', column: 'duration_ms' }, { op: 'P95', column: 'duration_ms' }], filters: [{ column: 'app.user_id', op: 'exists' }], breakdowns: ['app.user_id'], orders: [{ op: 'P95', column: 'duration_ms', order: 'descending' }], limit: 20, time_range: 3_600 },
  },
];

/** Traces as they should not be. */
export function oddTraces(nowMs) {
  const next = random(5);
  const late = homeFeed(next, nowMs - 3_000, { late: true });
  const loop = trace(next, nowMs - 2_000, (add) => {
    add(null, 'gateway', 'a root', 'internal', 0, 9_000);
    add(null, 'gateway', 'another root', 'internal', 500, 7_000);
    add('00000000000000aa', 'users', 'of a parent that never came', 'internal', 2_000, 3_000);
  });
  const [, , third] = loop.spans;
  loop.spans.push({ ...third, spanId: '00000000000000b1', parent: '00000000000000b2', name: 'one of a loop' }, { ...third, spanId: '00000000000000b2', parent: '00000000000000b1', name: 'the other' });
  return { late, loop };
}

function stats(byId) {
  const spans = [...byId.values()].reduce((sum, each) => sum + each.spans.length, 0);
  const none = { otlp: 0 };
  return {
    since_unix_nano: Date.now() * 1e6,
    received: { otlp: spans + 3 },
    stored: { otlp: spans },
    duplicates: { otlp: 1 },
    dropped: { otlp: 2 },
    refused: { invalid_trace_id: 2, ...none },
    refused_requests: { undecodable: 0 },
    ignored: { logs: 0, metrics: 0 },
    pruned: { traces: 0, spans: 0 },
    spans,
    traces: byId.size,
    bytes: 40_960 + spans * 400,
    max_bytes: 2_147_483_648,
    otlp_http: '127.0.0.1:4318',
    otlp_grpc: '127.0.0.1:4317',
  };
}

function file(response, path) {
  const name = normalize(extname(path) ? path : '/index.html');
  const at = join(DIST, name);
  if (!at.startsWith(DIST) || !existsSync(at)) return problem(response, 404, 'Not found', 'there is no such file');
  response.writeHead(200, { 'content-type': TYPES[extname(at)] ?? 'application/octet-stream', 'content-security-policy': CSP });
  createReadStream(at).pipe(response);
}

function json(response, status, body) {
  response.writeHead(status, { 'content-type': status < 400 ? 'application/json' : 'application/problem+json' });
  response.end(JSON.stringify(body));
}

function problem(response, status, title, detail) {
  json(response, status, { type: 'about:blank', title, status, detail });
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const { late, loop } = oddTraces(Date.now());
  const next = random(Date.now());
  const { url, arrive } = await start({ port: Number(process.argv[2] ?? 4380), traces: [...anHour(Date.now()), ...someTraces(Date.now()), large(random(8), Date.now() - 10_800_000, 12_000), late, loop] });
  setInterval(() => arrive(homeFeed(next, Date.now() - 100, { slow: next() > 0.9 ? 9 : 1, fail: next() > 0.95 })), 2_000);
  process.stdout.write(`${url}\nwithout a root: ${url}/trace/${late.traceId}\nwith a loop:    ${url}/trace/${loop.traceId}\n`);
}
