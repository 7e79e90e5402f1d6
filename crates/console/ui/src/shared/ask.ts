// Asking the console: one question, its answer, and asking again while one looks.

import { useEffect, useState } from 'react';

import { ApiError } from './api';

export function getJson<T>(path: string, signal: AbortSignal): Promise<T> {
  return ask<T>(path, { signal });
}

export function postJson<T>(path: string, body: unknown, signal?: AbortSignal): Promise<T> {
  return sendJson<T>('POST', path, body, signal);
}

export function putJson<T>(path: string, body: unknown, signal?: AbortSignal): Promise<T> {
  return sendJson<T>('PUT', path, body, signal);
}

function sendJson<T>(method: string, path: string, body: unknown, signal?: AbortSignal): Promise<T> {
  return ask<T>(path, { method, headers: { 'content-type': 'application/json' }, body: JSON.stringify(body), ...(signal && { signal }) });
}

/** Refusals are `application/problem+json`, or AWS's own where it is AWS's API. */
async function ask<T>(path: string, init: RequestInit): Promise<T> {
  let response: Response;
  try {
    response = await fetch(path, init);
  } catch (error) {
    if (init.signal?.aborted) throw error;
    throw new ApiError(0, 'The console does not answer', 'It may have been stopped. This page asks again by itself.');
  }
  if (response.ok) return (await response.json()) as T;
  const refusal = (await response.json().catch(() => ({}))) as { title?: string; detail?: string; __type?: string; Message?: string };
  throw new ApiError(response.status, refusal.title ?? refusal.__type ?? response.statusText, refusal.detail ?? refusal.Message ?? '');
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
        // What is wrong with the question, or with the console, does not get better by itself.
        if (failure.status === 400 || failure.status === NOT_HERE) return;
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

/** The console has no such thing, and says so in a sentence. */
const NOT_HERE = 501;

/** Why there is no answer, in a line. */
export function wordsOf({ status, title, detail }: ApiError): string {
  if (status === NOT_HERE && detail) return detail;
  return detail ? `${title}: ${detail}` : title;
}
