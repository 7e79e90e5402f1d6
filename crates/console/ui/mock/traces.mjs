// Made-up traces of the Cruddur demonstration, as OTLP/JSON and as the console's API gives them.
// `node mock/send.mjs` posts them to a running console; the mock server serves them.

/** A generator of numbers from 0 to 1 that always gives the same ones (mulberry32). */
export function random(seed) {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

const hex = (next, bytes) => Array.from({ length: bytes }, () => Math.floor(next() * 256).toString(16).padStart(2, '0')).join('');

/**
 * One trace: spans with times in microseconds since `start` (Unix milliseconds). `add` draws a span:
 * add(parent, service, name, kind, from, to, attributes, more) -> span id.
 */
export function trace(next, startMs, draw) {
  const traceId = Math.floor(startMs / 1000).toString(16).padStart(8, '0') + hex(next, 12);
  const start = BigInt(Math.round(startMs)) * 1_000_000n;
  const spans = [];
  const add = (parent, service, name, kind, from, to, attributes = {}, { status = 'unset', message = null, events = [], links = [] } = {}) => {
    const at = (micros) => start + BigInt(Math.round(micros * 1000));
    const spanId = hex(next, 8);
    spans.push({ traceId, spanId, parent, service, name, kind, start: at(from), end: at(to), attributes, status, message, links, events: events.map((event) => ({ ...event, at: at(event.at) })) });
    return spanId;
  };
  draw(add, traceId);
  return { traceId, spans };
}

const server = (method, route, path, status = 200) => ({
  'http.request.method': method,
  'http.route': route,
  'url.path': path,
  'url.scheme': 'http',
  'http.response.status_code': status,
  'network.protocol.version': '1.1',
  'server.address': 'localhost',
  'user_agent.original': 'Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/150.0.0.0 Safari/537.36',
});
const client = (method, url, status = 200) => ({
  'http.request.method': method,
  'url.full': url,
  'http.response.status_code': status,
  'server.address': new URL(url).hostname,
  'server.port': Number(new URL(url).port),
});
const db = (operation, collection, rows, text) => ({
  'db.system.name': 'postgresql',
  'db.namespace': 'cruddur',
  'db.operation.name': operation,
  ...(collection && { 'db.collection.name': collection }),
  'db.response.returned_rows': rows,
  'db.query.text': text,
  'server.address': '127.0.0.1',
  'server.port': 5433,
});

const HOME_SQL = `SELECT activity.uuid, activity.user_uuid, activity.message, activity.created_at,
       activity.expires_at, activity.replies_count, activity.reply_to_activity_uuid
  FROM activities AS activity
 WHERE activity.expires_at > now()
   AND (activity.created_at, activity.uuid) < ($1, $2)
 ORDER BY activity.created_at DESC, activity.uuid DESC
 LIMIT $3`;
const USERS_SQL = `SELECT uuid, handle, display_name FROM users WHERE uuid = ANY($1)`;

/** A click on the home feed, from the browser to Postgres. `slow` stretches the database's part. */
export function homeFeed(next, startMs, { slow = 1, fail = false, late = false, user = '0f8a6a53-6f0c-4c9f-9a84-4f2b7f1f4a11' } = {}) {
  return trace(next, startMs, (add) => {
    const j = () => 0.8 + next() * 0.5;
    const query = 4_200 * slow * j();
    const batch = 1_900 * j();
    const end = 21_000 + query + batch;
    const status = fail ? 502 : 200;
    const failed = fail ? { status: 'error' } : {};
    const click = late
      ? hex(next, 8)
      : add(null, 'cruddur-web', 'navigate /', 'internal', 0, end + 9_000, { 'page.route': '/', 'app.user_id': user, 'session.id': hex(next, 8), 'app.version': '0.1.0', 'app.from_memory': false }, failed);
    const fetch = add(click, 'cruddur-web', 'GET /api/activities/home', 'client', 900, end + 2_000, client('GET', 'http://localhost:3000/api/activities/home', status), failed);
    const proxy = add(fetch, 'frontend-proxy', 'GET /api/{path}', 'server', 3_100, end, server('GET', '/api/{path}', '/api/activities/home', status), failed);
    const relay = add(proxy, 'frontend-proxy', 'GET', 'client', 3_500, end - 500, client('GET', 'http://127.0.0.1:4567/api/activities/home', status), failed);
    const gateway = add(relay, 'gateway', 'GET /api/activities/home', 'server', 4_300, end - 900, { ...server('GET', '/api/activities/home', '/api/activities/home', status), 'app.user_id': user, 'app.result_length': 20 }, failed);
    add(gateway, 'gateway', 'verify token', 'internal', 4_500, 4_720, { 'app.user_id': user });
    const compose = add(gateway, 'gateway', 'compose home feed', 'internal', 4_800, end - 1_100, { 'app.now': '2026-11-21T08:30:00Z' });
    const a0 = 5_000;
    const a1 = a0 + 3_000 + query;
    const toActivities = add(compose, 'gateway', 'GET', 'client', a0, a1 + 700, client('GET', 'http://127.0.0.1:4568/activities/home', fail ? 500 : 200), failed);
    const activities = add(toActivities, 'activities', 'GET /activities/home', 'server', a0 + 600, a1, { ...server('GET', '/activities/home', '/activities/home', fail ? 500 : 200), 'app.result_length': 20 }, failed);
    add(activities, 'activities', 'pool acquire', 'internal', a0 + 800, a0 + 1_150, {});
    if (fail) {
      add(activities, 'activities', 'SELECT activities', 'client', a0 + 1_200, a1 - 700, { ...db('SELECT', 'activities', 0, HOME_SQL), 'error.type': '57014', 'db.response.status_code': '57014' }, {
        status: 'error',
        message: 'canceling statement due to statement timeout',
        events: [
          {
            name: 'exception',
            at: a1 - 750,
            attributes: {
              'exception.type': 'sqlx::Error::Database',
              'exception.message': 'canceling statement due to statement timeout',
              'exception.stacktrace': '0: activities::store::home\n   at crates/activities/src/store.rs:88\n1: activities::routes::home_feed\n   at crates/activities/src/routes/home_feed.rs:31\n2: actix_web::handler::handler_service',
            },
          },
        ],
      });
    } else {
      add(activities, 'activities', 'SELECT activities', 'client', a0 + 1_200, a1 - 700, db('SELECT', 'activities', 20, HOME_SQL), { events: [{ name: 'plan received', at: a1 - 900, attributes: { 'plan.nodes': 3 } }] });
      add(activities, 'activities', 'SELECT replies', 'client', a1 - 650, a1 - 250, db('SELECT', 'replies', 7, 'SELECT count(*) FROM replies WHERE activity_uuid = ANY($1) GROUP BY activity_uuid'));
      const b0 = a1 + 900;
      const toUsers = add(compose, 'gateway', 'GET', 'client', b0, b0 + batch + 3_000, { ...client('GET', 'http://127.0.0.1:4569/users?ids=REDACTED'), 'http.request.resend_count': 0 });
      const users = add(toUsers, 'users', 'GET /users', 'server', b0 + 600, b0 + batch + 2_500, { ...server('GET', '/users', '/users'), 'app.result_length': 12 });
      add(users, 'users', 'SELECT users', 'client', b0 + 1_000, b0 + 1_000 + batch, db('SELECT', 'users', 12, USERS_SQL));
    }
    add(gateway, 'gateway', 'encode answer', 'internal', end - 1_080, end - 920, {});
    if (!late) add(click, 'cruddur-web', 'render feed', 'internal', end + 2_200, end + 8_700, { 'app.posts': 20 });
  });
}

/** Signing in: mostly argon2. */
export function signIn(next, startMs, { wrong = false } = {}) {
  return trace(next, startMs, (add) => {
    const status = wrong ? 401 : 200;
    const hash = 61_000 + next() * 20_000;
    const end = 12_000 + hash;
    const click = add(null, 'cruddur-web', 'submit sign-in', 'internal', 0, end + 4_000, { 'page.route': '/sign-in' }, wrong ? { status: 'error', message: 'The handle or the password is wrong' } : {});
    const fetch = add(click, 'cruddur-web', 'POST /api/auth/sign-in', 'client', 500, end + 1_500, client('POST', 'http://localhost:3000/api/auth/sign-in', status), wrong ? { status: 'error' } : {});
    const proxy = add(fetch, 'frontend-proxy', 'POST /api/{path}', 'server', 1_900, end, server('POST', '/api/{path}', '/api/auth/sign-in', status));
    const relay = add(proxy, 'frontend-proxy', 'POST', 'client', 2_200, end - 400, client('POST', 'http://127.0.0.1:4567/api/auth/sign-in', status));
    const gateway = add(relay, 'gateway', 'POST /api/auth/sign-in', 'server', 3_000, end - 700, server('POST', '/api/auth/sign-in', '/api/auth/sign-in', status));
    const out = add(gateway, 'gateway', 'POST', 'client', 3_400, end - 1_000, client('POST', 'http://127.0.0.1:4569/sign-in', status));
    const users = add(out, 'users', 'POST /sign-in', 'server', 4_000, end - 1_400, server('POST', '/sign-in', '/sign-in', status));
    add(users, 'users', 'SELECT accounts', 'client', 4_600, 6_100, db('SELECT', 'accounts', 1, 'SELECT uuid, password_hash FROM accounts WHERE handle = $1'));
    add(users, 'users', 'verify password', 'internal', 6_400, 6_400 + hash, { 'argon2.memory_kib': 19456 });
    if (!wrong) add(users, 'users', 'SELECT signing_keys', 'client', 6_700 + hash, 7_900 + hash, db('SELECT', 'signing_keys', 1, 'SELECT kid, secret FROM signing_keys ORDER BY created_at DESC LIMIT 1'));
  });
}

/** A background job, with a link to what caused it. */
export function sweep(next, startMs, link) {
  return trace(next, startMs, (add) => {
    const root = add(null, 'activities', 'sweep expired posts', 'internal', 0, 9_400, { 'app.swept': 14 }, { links: link ? [{ traceId: link.traceId, spanId: link.spans[0].spanId, attributes: { 'link.reason': 'created the posts' } }] : [] });
    add(root, 'activities', 'DELETE activities', 'client', 700, 8_900, { ...db('DELETE', 'activities', 14, 'DELETE FROM activities WHERE expires_at < now() RETURNING uuid'), 'db.query.summary': 'DELETE activities' });
  });
}

/** `count` spans below one root, eight wide. */
export function large(next, startMs, count) {
  return trace(next, startMs, (add) => {
    const services = ['gateway', 'activities', 'users', 'frontend-proxy'];
    const root = add(null, 'load', 'a very large trace', 'internal', 0, count * 100, {});
    const parents = [{ id: root, from: 0, to: count * 100, depth: 0 }];
    for (let i = 1; i < count; i += 1) {
      const parent = parents[Math.floor(next() ** 2 * parents.length)];
      const from = parent.from + next() * (parent.to - parent.from) * 0.5;
      const to = from + (parent.to - from) * (0.1 + next() * 0.85);
      const service = services[Math.floor(next() * services.length)];
      const id = add(parent.id, service, `step ${i % 97}`, 'internal', from, to, { 'step.number': i, 'app.user_id': `user-${i % 500}` });
      if (parent.depth < 40) parents.push({ id, from, to, depth: parent.depth + 1 });
    }
  });
}

/** Some minutes of the demonstration, newest last. */
export function someTraces(nowMs) {
  const next = random(42);
  const traces = [];
  for (let i = 0; i < 36; i += 1) {
    const at = nowMs - (36 - i) * 4_300 - next() * 2_000;
    if (i % 11 === 4) traces.push(signIn(next, at, { wrong: i === 26 }));
    else if (i % 13 === 9) traces.push(sweep(next, at, traces[i - 2]));
    else traces.push(homeFeed(next, at, { slow: i % 9 === 7 ? 12 : 1, fail: i === 31 }));
  }
  return traces;
}

/** An hour of it, with a quarter of an hour in which everything of one user is slow. */
export function anHour(nowMs) {
  const next = random(7);
  const users = Array.from({ length: 24 }, () => `${hex(next, 4)}-6f0c-4c9f-9a84-${hex(next, 6)}`);
  return Array.from({ length: 1_200 }, (_, at) => {
    const start = nowMs - 3_600_000 + (at + next()) * 3_000;
    if (at % 9 === 5) return signIn(next, start, { wrong: next() > 0.9 });
    const user = users[Math.floor(next() ** 2 * users.length)];
    const isBad = user === users[3] && at > 500 && at < 800;
    return homeFeed(next, start, { slow: isBad ? 14 + next() * 8 : next() > 0.96 ? 4 : 1, fail: next() > (isBad ? 0.7 : 0.985), user });
  });
}

const KINDS = ['unspecified', 'internal', 'server', 'client', 'producer', 'consumer'];
const STATUSES = ['unset', 'ok', 'error'];

/** As an exporter sends it. */
export function toOtlp(traces) {
  const byService = new Map();
  for (const { spans } of traces) for (const span of spans) byService.set(span.service, [...(byService.get(span.service) ?? []), span]);
  const value = (v) =>
    typeof v === 'string' ? { stringValue: v } : typeof v === 'boolean' ? { boolValue: v } : Number.isInteger(v) ? { intValue: String(v) } : { doubleValue: v };
  const attributes = (each) => Object.entries(each).map(([key, v]) => ({ key, value: value(v) }));
  return {
    resourceSpans: [...byService].map(([service, spans]) => ({
      resource: { attributes: attributes(resource(service)) },
      scopeSpans: [
        {
          scope: { name: 'throughline-telemetry', version: '0.1.0' },
          spans: spans.map((span) => ({
            traceId: span.traceId,
            spanId: span.spanId,
            ...(span.parent && { parentSpanId: span.parent }),
            name: span.name,
            kind: KINDS.indexOf(span.kind),
            startTimeUnixNano: String(span.start),
            endTimeUnixNano: String(span.end),
            attributes: attributes(span.attributes),
            status: { code: STATUSES.indexOf(span.status), ...(span.message && { message: span.message }) },
            events: span.events.map((event) => ({ name: event.name, timeUnixNano: String(event.at), attributes: attributes(event.attributes) })),
            links: span.links.map((link) => ({ traceId: link.traceId, spanId: link.spanId, attributes: attributes(link.attributes) })),
          })),
        },
      ],
    })),
  };
}

function resource(service) {
  return { 'service.name': service, 'service.namespace': 'cruddur', 'service.version': '0.1.0', 'telemetry.sdk.language': service === 'cruddur-web' ? 'webjs' : 'rust' };
}

/** As the console's API answers. */
export function toApi({ traceId, spans: given }, { brief = false } = {}) {
  const spans = [...given].sort((a, b) => Number(a.start - b.start));
  const start = spans[0]?.start ?? 0n;
  const end = spans.reduce((last, span) => (span.end > last ? span.end : last), start);
  return {
    trace_id: traceId,
    xray_trace_id: `1-${traceId.slice(0, 8)}-${traceId.slice(8)}`,
    start_unix_nano: Number(start),
    duration_nano: Number(end - start),
    span_count: spans.length,
    pruned_unix_nano: null,
    ...(brief ? { columns: [columns(spans, start)] } : { spans: spans.map((span) => toApiSpan(traceId, span)) }),
  };
}

function columns(spans, start) {
  const names = [...new Set(spans.map(({ name }) => name))];
  const services = [...new Set(spans.map(({ service }) => service))];
  return {
    span_id: spans.map(({ spanId }) => spanId).join(''),
    parent_span_id: spans.map(({ parent }) => parent ?? '0'.repeat(16)).join(''),
    name: spans.map(({ name }) => names.indexOf(name)),
    service: spans.map(({ service }) => services.indexOf(service)),
    kind: spans.map(({ kind }) => KINDS.indexOf(kind)),
    status: spans.map(({ status }) => STATUSES.indexOf(status)),
    start: spans.map((span) => Number(span.start - start)),
    duration: spans.map((span) => Number(span.end - span.start)),
    names,
    services,
    status_message: Object.fromEntries(spans.flatMap(({ message }, at) => (message === null ? [] : [[at, message]]))),
  };
}

export function toApiSpan(traceId, span) {
  return {
    trace_id: traceId,
    span_id: span.spanId,
    parent_span_id: span.parent,
    name: span.name,
    kind: span.kind,
    service: span.service,
    start_unix_nano: Number(span.start),
    duration_nano: Number(span.end - span.start),
    status: span.status,
    status_message: span.message,
    attributes: span.attributes,
    resource: resource(span.service),
    scope: { name: 'throughline-telemetry', version: '0.1.0' },
    events: span.events.map((event) => ({ name: event.name, time_unix_nano: Number(event.at), attributes: event.attributes })),
    links: span.links.map((link) => ({ trace_id: link.traceId, span_id: link.spanId, attributes: link.attributes })),
    source: 'otlp',
  };
}

/** A row of the list. */
export function toSummary(each) {
  const { spans, ...whole } = toApi(each);
  const root = spans.find((span) => span.parent_span_id === null);
  const first = root ?? spans[0];
  return {
    trace_id: whole.trace_id,
    xray_trace_id: whole.xray_trace_id,
    name: first.name,
    service: first.service,
    start_unix_nano: whole.start_unix_nano,
    duration_nano: whole.duration_nano,
    span_count: spans.length,
    error_count: spans.filter((span) => span.status === 'error').length,
    services: [...new Set(spans.map((span) => span.service))].sort(),
    root: root !== undefined,
  };
}
