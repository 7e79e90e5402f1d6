// X-Ray's API as the console answers it, under the page's own address: every call is a POST, times are seconds since 1970.

import { ApiError } from '../shared/api';
import { getJson, postJson } from '../shared/ask';
import type { Graph, Group, Summaries, WholeTrace } from './model';

/** A console that reads its traces from elsewhere (`--store`) has pages under these paths and no calls: 405. */
async function call<T>(path: string, body: unknown, signal: AbortSignal): Promise<T> {
  try {
    return await postJson<T>(path, body, signal);
  } catch (error) {
    if (error instanceof ApiError && error.status === 405) throw new ApiError(501, error.title, 'X-Ray’s API is answered from what a console receives, and this one only reads');
    throw error;
  }
}

/** What is asked for: a group's traces of some time; with an expression, those of them that it holds of. */
export interface Wanted {
  readonly minutes: number;
  readonly group: string | null;
  readonly expression: string;
}

export interface Mapped {
  readonly graph: Graph;
  /** The graph is that of the traces in the list, not of all in the time. */
  readonly isOfListed: boolean;
}

export async function list({ minutes, group, expression }: Wanted, signal: AbortSignal): Promise<Summaries> {
  const inGroup = group === null ? '' : `group.name = "${group}"`;
  const whole = inGroup && expression ? `${inGroup} AND (${expression})` : inGroup || expression;
  try {
    return await call<Summaries>('/TraceSummaries', { ...timesOf(minutes), ...(whole && { FilterExpression: whole }) }, signal);
  } catch (error) {
    // What the group adds stands before the expression; whoever typed the latter counts from its own beginning.
    throw error instanceof ApiError ? new ApiError(error.status, error.title, shifted(error.detail, inGroup && expression ? inGroup.length + 6 : 0)) : error;
  }
}

/** X-Ray's service graph, which knows no expressions: with one it is the graph of the traces listed, and null until they are. */
export async function map({ minutes, group, expression }: Wanted, listed: Summaries | null, signal: AbortSignal): Promise<Mapped | null> {
  if (!expression) return { graph: await call<Graph>('/ServiceGraph', { ...timesOf(minutes), ...(group && { GroupName: group }) }, signal), isOfListed: false };
  if (listed === null) return null;
  const TraceIds = listed.TraceSummaries.map(({ Id }) => Id);
  return { graph: TraceIds.length === 0 ? { Services: [] } : await call<Graph>('/TraceGraph', { TraceIds }, signal), isOfListed: true };
}

function timesOf(minutes: number) {
  const to = Math.ceil(Date.now() / 1e3) + 1;
  return { StartTime: to - 60 * minutes, EndTime: to };
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
  try {
    return (await getJson<{ segments: readonly Received[] }>(`/api/xray/traces/${traceId}`, signal)).segments;
  } catch (error) {
    if (error instanceof ApiError && error.status === 404) return [];
    throw error;
  }
}
