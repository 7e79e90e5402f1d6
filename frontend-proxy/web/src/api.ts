// The gateway, as functions. Each takes the action it belongs to as its first argument, so a request
// without a parent does not compile.

import { SpanKind, SpanStatusCode, propagation, trace } from '@opentelemetry/api';
import {
  ATTR_ERROR_TYPE,
  ATTR_HTTP_REQUEST_METHOD,
  ATTR_HTTP_RESPONSE_STATUS_CODE,
  ATTR_SERVER_ADDRESS,
  ATTR_SERVER_PORT,
  ATTR_URL_FULL,
} from '@opentelemetry/semantic-conventions';

import { chosenFault } from './laboratory';
import { rememberUser, signedInUser } from './session';
import * as shapes from './shapes';
import type { Problem } from './shapes';
import { isAbort, recordError, tracer } from './telemetry';
import type { Action } from './telemetry';

/** The times to live that a post can have, longest first, with what people read. */
export const TIMES_TO_LIVE = {
  '30-days': '30 days',
  '7-days': '7 days',
  '3-days': '3 days',
  '1-day': '1 day',
  '12-hours': '12 hours',
  '3-hours': '3 hours',
  '1-hour': '1 hour',
} as const;

export type TimeToLive = keyof typeof TIMES_TO_LIVE;

/** In characters, as the activities service counts them. */
export const MAX_MESSAGE = 280;

/** The gateway gives up on its upstreams well before this; the app only waits for a gateway that is gone. */
const PATIENCE_MS = 15_000;

/** The server said no, and why. */
export class ApiError extends Error {
  override name = 'ApiError';
  readonly problem: Problem;

  constructor(problem: Problem) {
    super(problem.detail);
    this.problem = problem;
  }
}

export const home = (action: Action, before: string | null = null) =>
  get(action, '/api/activities/home', {}, { before }, shapes.feed);

export const profile = (action: Action, handle: string, before: string | null = null) =>
  get(action, '/api/activities/@{handle}', { handle }, { before }, shapes.profile);

export const thread = (action: Action, uuid: string) =>
  get(action, '/api/activities/{uuid}', { uuid }, {}, shapes.thread);

export const search = (action: Action, term: string, before: string | null = null) =>
  get(action, '/api/activities/search', {}, { term, before }, shapes.feed);

export const notifications = (action: Action, before: string | null = null) =>
  get(action, '/api/activities/notifications', {}, { before }, shapes.notifications);

export const createPost = (action: Action, message: string, ttl: TimeToLive) =>
  post(action, '/api/activities', {}, { message, ttl }, shapes.oneActivity);

export const reply = (action: Action, uuid: string, message: string) =>
  post(action, '/api/activities/{uuid}/reply', { uuid }, { message }, shapes.oneActivity);

export const signUp = (action: Action, handle: string, email: string, password: string) =>
  post(action, '/api/auth/sign-up', {}, { handle, email, password }, shapes.signedIn);

export const signIn = (action: Action, handle: string, password: string) =>
  post(action, '/api/auth/sign-in', {}, { handle, password }, shapes.signedIn);

export const signOut = (action: Action) => post(action, '/api/auth/sign-out', {}, {}, () => undefined);

type Parts = Readonly<Record<string, string>>;
type Query = Readonly<Record<string, string | null>>;
type Read<T> = (value: unknown) => T;

async function get<T>(action: Action, template: string, parts: Parts, query: Query, read: Read<T>): Promise<T> {
  try {
    return await send(action, 'GET', template, parts, query, undefined, read);
  } catch (error) {
    // A session that has run out makes even public pages answer 401, and the gateway takes its cookie
    // away. Ask again as a stranger.
    if (!(error instanceof ApiError && error.problem.status === 401 && signedInUser())) throw error;
    rememberUser(null);
    return send(action, 'GET', template, parts, query, undefined, read);
  }
}

function post<T>(action: Action, template: string, parts: Parts, body: unknown, read: Read<T>): Promise<T> {
  return send(action, 'POST', template, parts, {}, body, read);
}

/**
 * One request, one CLIENT span. The span is named by the route, so that all profiles are one row in a
 * table of slow requests; the address itself is in `url.full`.
 */
async function send<T>(action: Action, method: 'GET' | 'POST', template: string, parts: Parts, query: Query, body: unknown, read: Read<T>): Promise<T> {
  const url = address(template, parts, query);
  const attributes = {
    [ATTR_HTTP_REQUEST_METHOD]: method,
    [ATTR_URL_FULL]: url.href,
    [ATTR_SERVER_ADDRESS]: url.hostname,
    // A URL without a port has the scheme's.
    [ATTR_SERVER_PORT]: Number(url.port) || (url.protocol === 'https:' ? 443 : 80),
  };
  const span = tracer().startSpan(`${method} ${template}`, { kind: SpanKind.CLIENT, attributes }, action.context);
  const headers: Record<string, string> = { accept: 'application/json' };
  if (body !== undefined) headers['content-type'] = 'application/json';
  const fault = chosenFault();
  if (fault) headers['x-lab-fault'] = fault;
  propagation.inject(trace.setSpan(action.context, span), headers);

  try {
    const response = await fetch(url, {
      method,
      headers,
      signal: AbortSignal.timeout(PATIENCE_MS),
      ...(body !== undefined && { body: JSON.stringify(body) }),
    });
    span.setAttribute(ATTR_HTTP_RESPONSE_STATUS_CODE, response.status);
    const value: unknown = response.status === 204 ? null : await response.json().catch(() => null);
    if (response.ok) return read(value);

    // A refusal is an answer, not an exception: the semantic conventions want the code and no event.
    span.setAttribute(ATTR_ERROR_TYPE, String(response.status));
    span.setStatus({ code: SpanStatusCode.ERROR });
    throw new ApiError(shapes.problem(value, response.status, response.statusText));
  } catch (error) {
    if (error instanceof ApiError) throw error;
    if (!isAbort(error)) recordError(span, error);
    throw error;
  } finally {
    span.end();
  }
}

/** Fills `{name}` in the template, each value escaped, and adds the query parameters that have one. */
export function address(template: string, parts: Parts, query: Query): URL {
  const path = template.replaceAll(/\{(\w+)\}/g, (_, name: string) => encodeURIComponent(parts[name] ?? ''));
  const url = new URL(path, location.origin);
  for (const [name, value] of Object.entries(query)) {
    if (value !== null) url.searchParams.set(name, value);
  }
  return url;
}
