import { useEffect, useRef, useState } from 'react';

import { ApiError } from './api';

export interface Asked<T> {
  /** The last answer; it stays while the next one is on its way. */
  readonly answer: T | null;
  readonly problem: string | null;
  readonly isAsking: boolean;
}

/** Asks whenever `key` changes; null asks nothing. An answer that comes too late is not shown. */
export function useAsked<T>(key: string | null, ask: (signal: AbortSignal) => Promise<T>): Asked<T> {
  const [state, setState] = useState<Asked<T>>({ answer: null, problem: null, isAsking: true });
  const current = useRef(ask);
  current.current = ask;
  useEffect(() => {
    if (key === null) {
      setState({ answer: null, problem: null, isAsking: false });
      return;
    }
    const asked = new AbortController();
    setState((before) => ({ ...before, isAsking: true }));
    current.current(asked.signal).then(
      (answer) => !asked.signal.aborted && setState({ answer, problem: null, isAsking: false }),
      (error: unknown) => !asked.signal.aborted && setState((before) => ({ ...before, problem: wordsOf(error), isAsking: false })),
    );
    return () => asked.abort();
  }, [key]);
  return state;
}

function wordsOf(error: unknown): string {
  if (error instanceof ApiError) return error.detail ? `${error.title}: ${error.detail}` : error.title;
  return String(error);
}
