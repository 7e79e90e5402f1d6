import { SpanKind, SpanStatusCode } from '@opentelemetry/api';
import { InMemorySpanExporter } from '@opentelemetry/sdk-trace-web';
import type { ReadableSpan } from '@opentelemetry/sdk-trace-web';
import { beforeAll, beforeEach, expect, test, vi } from 'vitest';

import * as api from '../src/api';
import { rememberUser } from '../src/session';
import { failureOf } from '../src/state';
import { contextFrom, currentAction, flush, startTelemetry, traced, traceparentOf, uncaught } from '../src/telemetry';

const exporter = new InMemorySpanExporter();

beforeAll(() => {
  vi.stubGlobal('location', new URL('http://localhost:3000/'));
  startTelemetry({ version: '1.2.3', samplingRatio: 1, exporter });
});

beforeEach(async () => {
  await flush();
  exporter.reset();
  rememberUser(null);
});

/** What the page's requests looked like on the wire. */
let sent: { url: string; headers: Record<string, string> }[] = [];

/** Answers each request by its path, after a turn of the event loop that other actions can use. */
function answer(by: (path: string) => Response | Error) {
  sent = [];
  vi.stubGlobal('fetch', async (url: URL, init: RequestInit) => {
    sent.push({ url: url.href, headers: init.headers as Record<string, string> });
    await new Promise((resolve) => setTimeout(resolve));
    const result = by(url.pathname);
    if (result instanceof Error) throw result;
    return result;
  });
}

const json = (value: unknown, status = 200) => new Response(JSON.stringify(value), { status });
const EMPTY = { activities: [], next: null };

async function spans(): Promise<ReadableSpan[]> {
  await flush();
  return exporter.getFinishedSpans();
}

/** The spans as indented text, siblings by name. */
function tree(all: ReadableSpan[], parent?: string, indent = ''): string {
  return all
    .filter((span) => span.parentSpanContext?.spanId === parent)
    .sort((a, b) => a.name.localeCompare(b.name))
    .map((span) => `${indent}${span.name}\n${tree(all, span.spanContext().spanId, `${indent}  `)}`)
    .join('');
}

test('an action is the root, its requests are its children', async () => {
  answer(() => json(EMPTY));
  await traced('navigate /', async (action) => {
    await api.home(action);
    await Promise.all([api.search(action, 'tide'), api.home(action, 'cursor')]);
  });

  const all = await spans();
  expect(tree(all)).toBe('navigate /\n  GET /api/activities/home\n  GET /api/activities/home\n  GET /api/activities/search\n');
  expect(new Set(all.map((span) => span.spanContext().traceId)).size).toBe(1);
});

test('actions that run at the same time do not mix', async () => {
  answer(() => json(EMPTY));
  const names = Array.from({ length: 50 }, (_, index) => `action ${index}`);
  await Promise.all(
    names.map((name) =>
      traced(name, async (action) => {
        await api.home(action);
        await api.search(action, name);
      }),
    ),
  );

  const all = await spans();
  const roots = all.filter((span) => !span.parentSpanContext);
  expect(roots.map((span) => span.name).sort()).toEqual(names.sort());
  for (const root of roots) {
    const children = all.filter((span) => span.parentSpanContext?.spanId === root.spanContext().spanId);
    expect(children.map((span) => span.spanContext().traceId)).toEqual([root.spanContext().traceId, root.spanContext().traceId]);
    expect(children.some((span) => String(span.attributes['url.full']).endsWith(`term=${root.name.replace(' ', '+')}`))).toBe(true);
  }
});

test('a request carries the traceparent of its own span, and no baggage', async () => {
  answer(() => json(EMPTY));
  await traced('navigate /', (action) => api.home(action));

  const client = (await spans()).find((span) => span.kind === SpanKind.CLIENT);
  const { traceId, spanId } = client!.spanContext();
  expect(sent[0]?.headers).toEqual({ accept: 'application/json', traceparent: `00-${traceId}-${spanId}-01` });
});

test('a request is described by the semantic conventions', async () => {
  answer(() => json({ user: { id: 'u', handle: 'h', display_name: 'H' }, ...EMPTY }));
  rememberUser({ id: 'user-1', handle: 'maren', display_name: 'Maren' });
  await traced('navigate /@{handle}', (action) => api.profile(action, 'worf'));

  const [client, action] = await spans();
  expect(client?.name).toBe('GET /api/activities/@{handle}');
  expect(client?.attributes).toEqual({
    'http.request.method': 'GET',
    'http.response.status_code': 200,
    'server.address': 'localhost',
    'server.port': 3000,
    'url.full': 'http://localhost:3000/api/activities/@worf',
    'app.version': '1.2.3',
    'app.user_id': 'user-1',
    'session.id': action?.attributes['session.id'],
  });
  expect(client?.attributes['session.id']).toMatch(/^[0-9a-f]{32}$/);
});

test('a refusal is an error on both spans, explained to the person with its trace id', async () => {
  answer(() => json({ title: 'Not found', detail: 'nobody has that handle', status: 404, trace_id: 'from-the-server' }, 404));
  const error: unknown = await traced('navigate /@{handle}', (action) => api.profile(action, 'x')).catch((thrown: unknown) => thrown);

  expect(failureOf(error)).toEqual({ title: 'Not found', detail: 'nobody has that handle', status: 404, traceId: 'from-the-server' });
  const [client, action] = await spans();
  expect(client?.status.code).toBe(SpanStatusCode.ERROR);
  expect(client?.attributes['error.type']).toBe('404');
  expect(client?.events).toEqual([]);
  expect(action?.status).toEqual({ code: SpanStatusCode.ERROR, message: 'nobody has that handle' });
  expect(currentAction()).toMatchObject({ name: 'navigate /@{handle}', failed: true });
});

test('an exception is recorded once, where it happened', async () => {
  answer(() => new TypeError('Failed to fetch'));
  const error: unknown = await traced('navigate /', (action) => api.home(action)).catch((thrown: unknown) => thrown);

  const [client, action] = await spans();
  expect(client?.events.map((event) => event.name)).toEqual(['exception']);
  expect(client?.attributes['error.type']).toBe('TypeError');
  expect(action?.events).toEqual([]);
  expect(action?.status.code).toBe(SpanStatusCode.ERROR);
  expect(failureOf(error)).toMatchObject({ title: 'Cannot reach Cruddur', traceId: action?.spanContext().traceId });
});

test('an answer of another shape is an error that says so', async () => {
  answer(() => json({ activities: 'none' }));
  const error: unknown = await traced('navigate /', (action) => api.home(action)).catch((thrown: unknown) => thrown);
  expect(failureOf(error).detail).toContain('activities is not a list');
});

test('a session that has run out ends, and the page is asked for again', async () => {
  rememberUser({ id: 'user-1', handle: 'maren', display_name: 'Maren' });
  const answers = [json({ title: 'Unauthorized' }, 401), json(EMPTY)];
  answer(() => answers.shift() ?? json({}, 500));

  expect(await traced('navigate /', (action) => api.home(action))).toEqual(EMPTY);
  expect(tree(await spans())).toBe('navigate /\n  GET /api/activities/home\n  GET /api/activities/home\n');
});

test("the page's load hangs below the request that sent the page", async () => {
  const parent = contextFrom('00-5759e988bd862e3fe1be46a994272793-53995c3f42cd8ad8-01');
  await traced('load /', async (action) => expect(traceparentOf(action.context)).toMatch(/^00-5759e988bd862e3fe1be46a994272793-/), { parent });
  const [load] = await spans();
  expect(load?.parentSpanContext?.spanId).toBe('53995c3f42cd8ad8');
});

test.each([undefined, '', 'nonsense', '00-0-0-00'])('a page with traceparent %j starts a trace of its own', async (traceparent) => {
  await traced('load /', async () => undefined, { parent: contextFrom(traceparent) });
  const [load] = await spans();
  expect(load?.parentSpanContext).toBeUndefined();
});

test('a page that the server did not sample is not sampled here', async () => {
  answer(() => json(EMPTY));
  const parent = contextFrom('00-5759e988bd862e3fe1be46a994272793-53995c3f42cd8ad8-00');
  await traced('load /', (action) => api.home(action), { parent });
  expect(await spans()).toEqual([]);
  // The services behind still learn the trace id, for their logs, and that they need not sample.
  expect(sent[0]?.headers['traceparent']).toMatch(/^00-5759e988bd862e3fe1be46a994272793-[0-9a-f]{16}-00$/);
  expect(currentAction()?.sampled).toBe(false);
});

test('errors that nobody handled are traces of their own, and not without end', async () => {
  for (let times = 0; times < 100; times += 1) uncaught(new Error(`again ${times}`));
  uncaught('a string, thrown');
  const all = await spans();
  expect(all.length).toBe(20);
  expect(all[0]?.events[0]?.attributes?.['exception.message']).toBe('again 0');
});
