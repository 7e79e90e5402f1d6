// Stands in for the frontend-proxy and all behind it, to look at the app alone: `npm run mock`, after
// `npm run build`, or beside `npm run dev`. It keeps everything in memory and forgets it at the end.
//
// Some words make it misbehave: searching for "fail" answers 500, "slow" takes three seconds, "lost"
// drops the connection. Any password of eight characters is right, except "wrong password".

import { createReadStream, existsSync, readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { dirname, extname, join, normalize } from 'node:path';
import { fileURLToPath } from 'node:url';

import { sea } from './data.mjs';

const PAGE = 12;
const DIST = join(dirname(fileURLToPath(import.meta.url)), '..', 'dist');
const TYPES = { '.js': 'text/javascript', '.css': 'text/css', '.svg': 'image/svg+xml', '.map': 'application/json' };
const TTL_HOURS = { '30-days': 720, '7-days': 168, '3-days': 72, '1-day': 24, '12-hours': 12, '3-hours': 3, '1-hour': 1 };

/** The policy that the frontend-proxy sends. */
const CSP = "default-src 'self'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src 'self' data:";

/** Listens on `port` (0 takes a free one). `spans` fills with what the browser sends. */
export async function start({ port = 3000, consoleUrl = 'http://localhost:4380', traceparent = '' } = {}) {
  const { users, activities, replies, uuid } = sea(Date.now());
  const spans = [];
  const requests = [];

  const server = createServer(async (request, response) => {
    const url = new URL(request.url ?? '/', 'http://mock');
    const body = await read(request);
    if (url.pathname === '/v1/traces') {
      for (const resource of JSON.parse(body).resourceSpans) for (const scope of resource.scopeSpans) spans.push(...scope.spans);
      return json(response, 200, {});
    }
    if (url.pathname.startsWith('/api/')) {
      requests.push({ method: request.method, path: url.pathname, headers: request.headers });
      return api(request, response, url, body ? JSON.parse(body) : {});
    }
    return page(response, url);
  });
  await new Promise((resolve) => server.listen(port, '127.0.0.1', resolve));
  return { url: `http://localhost:${server.address().port}`, spans, requests, stop: () => server.close() };

  async function api(request, response, url, body) {
    const traceId = request.headers.traceparent?.split('-')[1] ?? '0'.repeat(32);
    const me = users.find((user) => request.headers.cookie?.includes(`session=${user.id}`));
    const problem = (status, title, detail) =>
      json(response, status, { type: 'about:blank', title, status, detail, trace_id: traceId }, { 'content-type': 'application/problem+json' });
    const route = `${request.method} ${url.pathname.slice('/api'.length)}`;
    const before = url.searchParams.get('before');

    if (route === 'GET /activities/home') return json(response, 200, feed(activities, before));
    if (route === 'GET /activities/search') {
      const term = url.searchParams.get('term') ?? '';
      if (term === 'fail') return problem(500, 'Internal error', 'The feed could not be read. The cause is in the log, under this trace.');
      if (term === 'lost') return request.destroy();
      if (term === 'slow') await new Promise((resolve) => setTimeout(resolve, 3000));
      return json(response, 200, feed([...activities, ...replies].filter(({ message }) => message.toLowerCase().includes(term.toLowerCase())), before));
    }
    if (route === 'GET /activities/notifications') {
      if (!me) return problem(401, 'Not signed in', 'Sign in to see your notifications.');
      const mine = new Set(activities.filter((each) => each.user_uuid === me.id).map((each) => each.uuid));
      const found = replies.filter((reply) => mine.has(reply.reply_to_activity_uuid));
      return json(response, 200, { notifications: found.map((each) => ({ uuid: each.uuid, kind: 'reply', activity: each, created_at: each.created_at })), next: null });
    }
    if (route.startsWith('GET /activities/@')) {
      const user = users.find((each) => each.handle === route.slice('GET /activities/@'.length));
      if (!user) return problem(404, 'Unknown handle', 'Nobody here goes by that handle.');
      return json(response, 200, { user, ...feed(activities.filter((each) => each.user_uuid === user.id), before) });
    }
    if (route.startsWith('GET /activities/')) {
      const wanted = route.slice('GET /activities/'.length);
      const activity = [...activities, ...replies].find((each) => each.uuid === wanted);
      if (!activity) return problem(404, 'No such post', 'It may have gone out with the tide.');
      return json(response, 200, { activity, replies: replies.filter((each) => each.reply_to_activity_uuid === wanted) });
    }
    if (route === 'POST /auth/sign-out') return json(response, 204, null, { 'set-cookie': 'session=; Path=/; Max-Age=0' });
    if (route === 'POST /auth/sign-in' || route === 'POST /auth/sign-up') {
      let user = users.find((each) => each.handle === body.handle);
      if (route.endsWith('up') && user) return problem(409, 'Handle taken', `Someone already goes by @${body.handle}.`);
      if (route.endsWith('in') && (!user || body.password === 'wrong password')) return problem(401, 'Not signed in', 'The handle or the password is wrong.');
      if (!user) users.push((user = { id: uuid(), handle: body.handle, display_name: body.handle, bio: null, created_at: new Date().toISOString() }));
      return json(response, 200, { token: 'none', expires_at: new Date(Date.now() + 900_000).toISOString(), user }, { 'set-cookie': `session=${user.id}; Path=/; HttpOnly; SameSite=Lax` });
    }
    if (!me) return problem(401, 'Not signed in', 'Sign in first.');
    const activity = {
      uuid: uuid(),
      user_uuid: me.id,
      message: body.message,
      created_at: new Date().toISOString(),
      expires_at: new Date(Date.now() + (TTL_HOURS[body.ttl] ?? 168) * 3_600_000).toISOString(),
      replies_count: 0,
      likes_count: 0,
      reply_to_activity_uuid: null,
      user: { uuid: me.id, handle: me.handle, display_name: me.display_name },
    };
    if (route === 'POST /activities') {
      activities.unshift(activity);
      return json(response, 201, activity);
    }
    const parent = [...activities, ...replies].find((each) => route === `POST /activities/${each.uuid}/reply`);
    if (!parent) return problem(404, 'No such post', 'It may have gone out with the tide.');
    parent.replies_count += 1;
    replies.push({ ...activity, reply_to_activity_uuid: parent.uuid });
    return json(response, 201, replies.at(-1));
  }

  function page(response, url) {
    const file = join(DIST, normalize(url.pathname));
    if (extname(file) && existsSync(file)) {
      response.writeHead(200, { 'content-type': TYPES[extname(file)] ?? 'application/octet-stream' });
      return createReadStream(file).pipe(response);
    }
    const metas = { 'console-url': consoleUrl, traceparent, 'sampling-ratio': '1', laboratory: 'open' };
    const head = Object.entries(metas).map(([name, content]) => (content ? `<meta name="${name}" content="${content}">` : ''));
    const html = readFileSync(join(DIST, 'index.html'), 'utf8').replace('</head>', `${head.join('')}</head>`);
    response.writeHead(200, { 'content-type': 'text/html; charset=utf-8', 'content-security-policy': CSP, 'cache-control': 'no-store' });
    return response.end(html);
  }
}

/** A page of a feed. The cursor is a position, as nobody writes here but one person. */
function feed(all, before) {
  const from = Number(before ?? 0);
  const next = from + PAGE < all.length ? String(from + PAGE) : null;
  return { activities: all.slice(from, from + PAGE), next };
}

function json(response, status, value, headers = {}) {
  response.writeHead(status, { 'content-type': 'application/json', ...headers });
  response.end(value === null ? undefined : JSON.stringify(value));
}

async function read(request) {
  const chunks = [];
  for await (const chunk of request) chunks.push(chunk);
  return Buffer.concat(chunks).toString('utf8');
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const { url } = await start();
  process.stdout.write(`Cruddur without its backend: ${url}\n`);
}
