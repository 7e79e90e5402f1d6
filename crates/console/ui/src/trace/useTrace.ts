import { useEffect, useState } from 'react';

import { ApiError, watchTraces } from '../shared/api';
import { load } from './load';
import type { Loaded } from './load';

/** A trace that grows while one looks at it. */
export function useTrace(id: string): { loaded: Loaded | null; failure: ApiError | null } {
  const [loaded, setLoaded] = useState<Loaded | null>(null);
  const [failure, setFailure] = useState<ApiError | null>(null);

  useEffect(() => {
    const asked = new AbortController();
    let spans = -1;
    let isAsking = false;
    let isStale = false;
    let pause: ReturnType<typeof setTimeout> | undefined;

    const ask = async () => {
      if (isAsking) {
        isStale = true;
        return;
      }
      isAsking = true;
      isStale = false;
      const began = performance.now();
      try {
        const next = await load(id, asked.signal);
        if (next.columns.size !== spans) setLoaded(next);
        spans = next.columns.size;
        setFailure(null);
      } catch (error) {
        if (!asked.signal.aborted) setFailure(error instanceof ApiError ? error : new ApiError(0, 'This trace cannot be shown', String(error)));
      }
      // A large trace that is still arriving is asked for half of the time at most.
      pause = setTimeout(() => {
        isAsking = false;
        if (isStale) void ask();
      }, performance.now() - began);
    };

    const stop = watchTraces(
      { trace_id: id },
      {
        onReload: () => void ask(),
        onTraces: (traces) => {
          if (traces.some(({ span_count }) => span_count !== spans)) void ask();
        },
      },
    );
    return () => {
      asked.abort();
      clearTimeout(pause);
      stop();
    };
  }, [id]);
  return { loaded, failure };
}
