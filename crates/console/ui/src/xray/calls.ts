// X-Ray's API as the console answers it, under the page's own address: every call is a POST, times are seconds since 1970.

import { ApiError } from '../shared/api';
import { getJson, postJson } from '../shared/ask';
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
  const list = postJson<Summaries>('/TraceSummaries', { ...time, ...(whole && { FilterExpression: whole }) }, signal);
  if (!expression) {
    const graph = postJson<Graph>('/ServiceGraph', { ...time, ...(group && { GroupName: group }) }, signal);
    const [summaries, services] = await Promise.all([list, graph]);
    return { summaries, graph: services, isOfListed: false, range };
  }
  // What the group adds stands before the expression; whoever typed the latter counts from its own beginning.
  const summaries = await list.catch((error: unknown) => Promise.reject(error instanceof ApiError ? new ApiError(error.status, error.title, shifted(error.detail, inGroup ? inGroup.length + 6 : 0)) : error));
  const TraceIds = summaries.TraceSummaries.map(({ Id }) => Id);
  const graph = TraceIds.length === 0 ? { Services: [] } : await postJson<Graph>('/TraceGraph', { TraceIds }, signal);
  return { summaries, graph, isOfListed: true, range };
}

function shifted(message: string, by: number): string {
  return message.replace(/at character (\d+)/, (_, at: string) => `at character ${Math.max(Number(at) - by, 0)}`);
}

export async function groups(signal: AbortSignal): Promise<readonly Group[]> {
  return (await postJson<{ Groups: readonly Group[] }>('/Groups', {}, signal)).Groups;
}

/** A trace and its map; null when there is none. */
export async function getTrace(xrayId: string, signal: AbortSignal): Promise<{ trace: WholeTrace; graph: Graph } | null> {
  const body = { TraceIds: [xrayId] };
  const [{ Traces }, graph] = await Promise.all([postJson<{ Traces: readonly WholeTrace[] }>('/Traces', body, signal), postJson<Graph>('/TraceGraph', body, signal)]);
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
