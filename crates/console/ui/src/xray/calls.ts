// X-Ray's API as the console answers it, under the page's own address: every call is a POST, times are seconds since 1970.

import { useEffect, useState } from 'react';

import { ApiError } from '../shared/api';
import type { Graph, Group, Summaries, WholeTrace } from './model';

export interface Range {
  readonly from: number;
  readonly to: number;
}

export interface Found {
  readonly summaries: Summaries;
  readonly graph: Graph;
  /** The graph is that of the traces in the list, not of all in the time. */
  readonly isOfListed: boolean;
  readonly range: Range;
}

/** A group's traces; with an expression, those of them that it holds of. The map is X-Ray's service graph, which knows no expressions: with one it is the graph of the traces listed. */
export async function find({ minutes, group, expression }: { minutes: number; group: string | null; expression: string }, signal: AbortSignal): Promise<Found> {
  const to = Math.ceil(Date.now() / 1e3) + 1;
  const range = { from: to - 60 * minutes, to };
  const time = { StartTime: range.from, EndTime: range.to };
  const inGroup = group === null ? '' : `group.name = "${group}"`;
  const whole = inGroup && expression ? `${inGroup} AND (${expression})` : inGroup || expression;
  const list = call<Summaries>('/TraceSummaries', { ...time, ...(whole && { FilterExpression: whole }) }, signal);
  if (!expression) {
    const graph = call<Graph>('/ServiceGraph', { ...time, ...(group && { GroupName: group }) }, signal);
    const [summaries, services] = await Promise.all([list, graph]);
    return { summaries, graph: services, isOfListed: false, range };
  }
  // What the group adds stands before the expression; whoever typed the latter counts from its own beginning.
  const summaries = await list.catch((error: unknown) => Promise.reject(error instanceof ApiError ? new ApiError(error.status, error.title, shifted(error.detail, inGroup ? inGroup.length + 6 : 0)) : error));
  const TraceIds = summaries.TraceSummaries.map(({ Id }) => Id);
  const graph = TraceIds.length === 0 ? { Services: [] } : await call<Graph>('/TraceGraph', { TraceIds }, signal);
  return { summaries, graph, isOfListed: true, range };
}

function shifted(message: string, by: number): string {
  return message.replace(/at character (\d+)/, (_, at: string) => `at character ${Math.max(Number(at) - by, 0)}`);
}

export async function groups(signal: AbortSignal): Promise<readonly Group[]> {
  return (await call<{ Groups: readonly Group[] }>('/Groups', {}, signal)).Groups;
}

/** A trace and its map; null when there is none. */
export async function getTrace(xrayId: string, signal: AbortSignal): Promise<{ trace: WholeTrace; graph: Graph } | null> {
  const body = { TraceIds: [xrayId] };
  const [{ Traces }, graph] = await Promise.all([call<{ Traces: readonly WholeTrace[] }>('/Traces', body, signal), call<Graph>('/TraceGraph', body, signal)]);
  return Traces[0] ? { trace: Traces[0], graph } : null;
}

export interface Received {
  readonly id: string;
  readonly received_unix_nano: number;
  readonly in_progress: boolean;
  readonly document: unknown;
}

/** The documents as they came; none of a trace that came by OTLP alone. */
export async function received(traceId: string, signal: AbortSignal): Promise<readonly Received[]> {
  const response = await fetch(`/api/xray/traces/${traceId}`, { signal });
  return response.ok ? ((await response.json()) as { segments: readonly Received[] }).segments : [];
}

async function call<T>(path: string, body: unknown, signal: AbortSignal): Promise<T> {
  let response: Response;
  try {
    response = await fetch(path, { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(body), signal });
  } catch (error) {
    if (signal.aborted) throw error;
    throw new ApiError(0, 'The console does not answer', 'It may have been stopped. This page asks again by itself.');
  }
  const answer = (await response.json().catch(() => ({}))) as T & { Message?: string; __type?: string };
  if (response.ok) return answer;
  throw new ApiError(response.status, answer.__type ?? response.statusText, answer.Message ?? '');
}

/** Asked again while one looks: a large graph less often than a small one. */
const EVERY_MS = 5_000;
const PATIENCE = 20;

export interface Asked<T> {
  readonly answer: T | null;
  readonly failure: ApiError | null;
  readonly isAsking: boolean;
}

/** What `ask` answers, again from time to time while `live`, and at once when `key` changes. An answer stays until the next one is there. */
export function useAsked<T>(key: string, ask: (signal: AbortSignal) => Promise<T>, live: boolean): Asked<T> {
  const [state, setState] = useState<Asked<T>>({ answer: null, failure: null, isAsking: true });
  useEffect(() => {
    const asked = new AbortController();
    let timer: ReturnType<typeof setTimeout> | undefined;
    const once = async () => {
      const began = performance.now();
      setState((before) => ({ ...before, isAsking: true }));
      try {
        const answer = await ask(asked.signal);
        if (!asked.signal.aborted) setState({ answer, failure: null, isAsking: false });
      } catch (error) {
        if (asked.signal.aborted) return;
        const failure = error instanceof ApiError ? error : new ApiError(0, 'This cannot be shown', String(error));
        setState((before) => ({ ...before, failure, isAsking: false }));
        // What is wrong with the question does not get better by itself.
        if (failure.status === 400) return;
      }
      if (live) timer = setTimeout(again, Math.max(EVERY_MS, PATIENCE * (performance.now() - began)));
    };
    const again = () => {
      if (document.visibilityState === 'hidden') timer = setTimeout(again, EVERY_MS);
      else void once();
    };
    void once();
    return () => {
      asked.abort();
      clearTimeout(timer);
    };
    // `ask` is made anew with each rendering; `key` says whether it asks something else.
  }, [key, live]);
  return state;
}
