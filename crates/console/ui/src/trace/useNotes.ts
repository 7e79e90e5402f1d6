import { useMemo } from 'react';

import { ApiError } from '../shared/api';
import { getJson, useAsked } from '../shared/ask';
import type { ErrorDetails, GroupPage } from '../errors/model';
import type { LogEvent, LogPage } from '../logs/model';
import { notesOf } from './notes';
import type { Notes, ReportedError } from './notes';
import type { Forest } from './tree';

/** Lines of one trace that are asked for; more are in the log view. */
const MOST_LINES = 1_000;

/** Log lines and errors of a trace. They come by other ways than spans and a little later, so that they are asked for again. */
export function useNotes(traceId: string, forest: Forest): Notes {
  const logs = useAsked(`logs ${traceId}`, (signal) => absent(linesOf(traceId, signal)), true).answer ?? NONE;
  const errors = useAsked(`errors ${traceId}`, (signal) => absent(errorsOf(traceId, signal)), true).answer ?? NO_ERRORS;
  return useMemo(() => notesOf(forest, logs, errors), [forest, logs, errors]);
}

const NONE: readonly LogEvent[] = [];
const NO_ERRORS: readonly ReportedError[] = [];

async function linesOf(traceId: string, signal: AbortSignal): Promise<readonly LogEvent[]> {
  return (await getJson<LogPage>(`/api/logs?trace_id=${traceId}&limit=${MOST_LINES}`, signal)).events;
}

async function errorsOf(traceId: string, signal: AbortSignal): Promise<readonly ReportedError[]> {
  const { groups } = await getJson<GroupPage>(`/api/errors?trace_id=${traceId}&status=all`, signal);
  const found = await Promise.all(groups.map(({ id }) => occurrencesOf(id, traceId, signal)));
  return found.flat();
}

/** Of one error those of this trace. In a storm there are thousands of others between now and then: we look at the newest. */
async function occurrencesOf(id: string, traceId: string, signal: AbortSignal): Promise<readonly ReportedError[]> {
  let before = '';
  for (let page = 0; page < MOST_PAGES; page += 1) {
    const { group, occurrences, next } = await getJson<ErrorDetails>(`/api/errors/${id}?limit=100${before}`, signal);
    const ours = occurrences.filter((each) => each.trace_id === traceId);
    if (ours.length > 0 || !next) return ours.map((occurrence) => ({ group, occurrence }));
    before = `&before=${next}`;
  }
  return [];
}

const MOST_PAGES = 5;

/** A console without logs or errors shows the trace all the same. */
async function absent<T>(asked: Promise<readonly T[]>): Promise<readonly T[]> {
  try {
    return await asked;
  } catch (error) {
    if (error instanceof ApiError && (error.status === 404 || error.status === 501)) return [];
    throw error;
  }
}
