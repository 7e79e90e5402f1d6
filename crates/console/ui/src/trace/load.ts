// A trace, and its spans as columns.

import { getBriefTrace, getWholeTrace } from '../shared/api';
import type { Trace } from '../shared/shapes';
import { columnsOf, columnsOfBrief } from './columns';
import type { Columns } from './columns';

export interface Loaded {
  readonly trace: Trace;
  readonly columns: Columns;
  /** Whether its spans carry attributes, events and links. */
  readonly whole: boolean;
}

/**
 * Above this many spans a trace is shown without attributes, which are then fetched for one span at a
 * time: 100,000 spans with attributes are over 100 MB of JSON, without them 6 MB.
 */
export const MOST_WITH_ATTRIBUTES = 20_000;

export async function load(traceId: string, signal: AbortSignal): Promise<Loaded> {
  const found = await getBriefTrace(traceId, signal);
  if ('columns' in found && found.span_count > MOST_WITH_ATTRIBUTES) return { trace: found, columns: columnsOfBrief(found), whole: false };
  const trace = 'columns' in found ? await getWholeTrace(traceId, signal) : found;
  return { trace, columns: columnsOf(trace.spans), whole: true };
}
