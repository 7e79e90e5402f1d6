import { useEffect, useState } from 'react';

import { ApiError } from '../shared/api';
import { getJson } from '../shared/ask';
import { LEVELS, merge } from './model';
import type { Filters, LogEvent, LogPage, Severity } from './model';

const PAGE = 200;
/** How often to ask when the stream is not to be had. */
const POLL_MS = 3_000;

/** The API's levels of each severity. */
const NAMES: Readonly<Record<Severity, string>> = { error: 'error,fatal', warn: 'warn', info: 'info', debug: 'debug,trace' };

export function logQuery(filters: Filters): URLSearchParams {
  const { level, ...rest } = filters;
  const query = new URLSearchParams(rest as Record<string, string>);
  const wanted = LEVELS.filter((each) => level?.split(',').includes(each));
  if (wanted.length > 0) query.set('level', wanted.map((each) => NAMES[each]).join(','));
  return query;
}

interface Logs {
  readonly events: readonly LogEvent[] | null;
  readonly next: string | null;
  readonly failure: ApiError | null;
  /** News come as they happen. */
  readonly live: boolean;
  /** The stream left some out. */
  readonly truncated: boolean;
}

const NOTHING: Logs = { events: null, next: null, failure: null, live: false, truncated: false };

/** The newest lines, then what comes while `tail`; `older` asks for the page before. */
export function useLogs(filters: Filters, tail: boolean): Logs & { readonly older: () => void } {
  const key = logQuery(filters).toString();
  const [logs, setLogs] = useState<Logs>(NOTHING);

  useEffect(() => {
    const asked = new AbortController();
    let source: EventSource | null = null;
    let timer: ReturnType<typeof setTimeout> | undefined;
    const refuse = (error: unknown) => {
      if (asked.signal.aborted) return;
      const failure = error instanceof ApiError ? error : new ApiError(0, 'The lines cannot be shown', String(error));
      setLogs((before) => ({ ...before, failure }));
    };
    const newest = async () => {
      try {
        const { events, next } = await getJson<LogPage>(`/api/logs?${key}&limit=${PAGE}`, asked.signal);
        setLogs((before) => ({ ...before, events: before.events === null ? events : merge(before.events, events), next: before.events === null ? next : before.next, failure: null }));
        return true;
      } catch (error) {
        refuse(error);
        return !(error instanceof ApiError && error.status === 400);
      }
    };
    const again = () => {
      clearTimeout(timer);
      timer = setTimeout(() => void newest().then((isSound) => isSound && again()), POLL_MS);
    };
    const follow = () => {
      if (document.visibilityState === 'hidden') {
        source?.close();
        source = null;
        return;
      }
      if (source !== null) return;
      source = new EventSource(`/api/logs/tail?${key}`);
      source.addEventListener('open', () => {
        clearTimeout(timer);
        setLogs((before) => ({ ...before, live: true }));
        // What came between the first answer and the stream.
        void newest();
      });
      source.addEventListener('logs', (event: MessageEvent<string>) => {
        const { events, truncated } = JSON.parse(event.data) as { events: readonly LogEvent[]; truncated?: boolean };
        setLogs((before) => ({ ...before, events: merge(before.events ?? [], events), truncated: before.truncated || truncated === true }));
      });
      source.addEventListener('error', () => {
        setLogs((before) => ({ ...before, live: false }));
        again();
      });
    };
    setLogs(NOTHING);
    void newest().then((isSound) => {
      if (!tail || !isSound || asked.signal.aborted) return;
      follow();
      document.addEventListener('visibilitychange', follow);
    });
    return () => {
      asked.abort();
      source?.close();
      clearTimeout(timer);
      document.removeEventListener('visibilitychange', follow);
    };
  }, [key, tail]);

  const older = () => {
    const { next } = logs;
    if (next === null) return;
    getJson<LogPage>(`/api/logs?${key}&limit=${PAGE}&before=${next}`, new AbortController().signal).then(
      (page) => setLogs((before) => (before.next === next ? { ...before, events: [...(before.events ?? []), ...page.events], next: page.next } : before)),
      (error: unknown) => setLogs((before) => ({ ...before, failure: error instanceof ApiError ? error : before.failure })),
    );
  };
  return { ...logs, older };
}
