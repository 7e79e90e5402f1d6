import { useCallback, useEffect, useState } from 'react';

import { ApiError, listTraces, watchTraces } from '../shared/api';
import type { Filter } from '../shared/api';
import type { Summary } from '../shared/shapes';

export interface Row {
  readonly trace: Summary;
  /** It came while one was looking. */
  readonly isNew: boolean;
}

export interface List {
  readonly rows: readonly Row[];
  readonly hasOlder: boolean;
}

/** The list and its news. */
export function useTraces(filter: Filter, limit: number, paused: boolean) {
  const [list, setList] = useState<List | null>(null);
  const [failure, setFailure] = useState<string | null>(null);
  const [live, setLive] = useState(true);

  const ask = useCallback(
    async (signal: AbortSignal) => {
      try {
        const { traces, next } = await listTraces(filter, { limit, signal });
        setList((before) => {
          const known = before && new Set(before.rows.map(({ trace }) => trace.trace_id));
          return { rows: traces.map((trace) => ({ trace, isNew: known !== null && known.size > 0 && !known.has(trace.trace_id) })), hasOlder: Boolean(next) };
        });
        setFailure(null);
      } catch (error) {
        if (!signal.aborted) setFailure(error instanceof ApiError ? `${error.title}. ${error.detail}` : String(error));
      }
    },
    [filter, limit],
  );

  useEffect(() => {
    if (paused) return;
    const asked = new AbortController();
    const stop = watchTraces(filter, {
      onReload: () => void ask(asked.signal),
      onTraces: (traces) => setList((before) => before && merge(before, traces, limit)),
      onState: setLive,
    });
    return () => {
      asked.abort();
      stop();
    };
  }, [filter, limit, paused, ask]);
  return { list, failure, live };
}

function merge(list: List, traces: readonly Summary[], limit: number): List {
  const rows = new Map(list.rows.map((row) => [row.trace.trace_id, row]));
  for (const trace of traces) rows.set(trace.trace_id, { trace, isNew: rows.get(trace.trace_id)?.isNew ?? true });
  const sorted = [...rows.values()].sort((a, b) => b.trace.start_unix_nano - a.trace.start_unix_nano);
  return { rows: sorted.slice(0, limit), hasOlder: list.hasOlder || sorted.length > limit };
}
