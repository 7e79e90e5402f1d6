// What the page shows, and how it changes. Pure: the tests run on this.

import { ApiError } from './api';
import type { Page, PageKind } from './routes';
import type { Activity } from './shapes';
import { traceIdOf } from './telemetry';

/** Something went wrong, in words for the person it happened to. */
export interface Failure {
  readonly title: string;
  readonly detail: string;
  readonly status: number | null;
  readonly traceId: string | null;
}

export type View =
  | { readonly phase: 'loading' }
  | { readonly phase: 'ready'; readonly page: Page }
  | { readonly phase: 'failed'; readonly failure: Failure };

export interface State {
  /** Counts navigations, so that a late answer to an earlier one can be told apart. */
  readonly visit: number;
  readonly address: string;
  readonly kind: PageKind;
  readonly view: View;
  readonly more: { readonly loading: boolean; readonly failure: Failure | null };
}

export type Event =
  | { readonly type: 'visited'; readonly visit: number; readonly address: string; readonly kind: PageKind; readonly kept?: Page }
  | { readonly type: 'loaded'; readonly visit: number; readonly page: Page }
  | { readonly type: 'failed'; readonly visit: number; readonly failure: Failure }
  | { readonly type: 'asked for more'; readonly visit: number }
  | { readonly type: 'got more'; readonly visit: number; readonly page: Page }
  | { readonly type: 'got no more'; readonly visit: number; readonly failure: Failure }
  | { readonly type: 'posted'; readonly activity: Activity }
  | { readonly type: 'replied'; readonly to: string; readonly activity: Activity };

const IDLE = { loading: false, failure: null };

export const initialState: State = { visit: 0, address: '/', kind: 'home', view: { phase: 'loading' }, more: IDLE };

export function reduce(state: State, event: Event): State {
  // An answer to a page that has been left behind must not replace the one being read.
  if ('visit' in event && event.type !== 'visited' && event.visit !== state.visit) return state;

  switch (event.type) {
    case 'visited': {
      const { visit, address, kind, kept } = event;
      return { visit, address, kind, view: kept ? { phase: 'ready', page: kept } : { phase: 'loading' }, more: IDLE };
    }
    case 'loaded':
      return { ...state, view: { phase: 'ready', page: event.page } };
    case 'failed':
      return { ...state, view: { phase: 'failed', failure: event.failure } };
    case 'asked for more':
      return { ...state, more: { loading: true, failure: null } };
    case 'got more':
      return { ...state, view: { phase: 'ready', page: event.page }, more: IDLE };
    case 'got no more':
      return { ...state, more: { loading: false, failure: event.failure } };
    case 'posted':
      return onPage(state, (page) =>
        page.kind === 'home' || (page.kind === 'profile' && page.user.handle === event.activity.user?.handle)
          ? { ...page, feed: { ...page.feed, activities: [event.activity, ...page.feed.activities] } }
          : page,
      );
    case 'replied':
      return onPage(state, (page) =>
        page.kind === 'post' && page.post.uuid === event.to
          ? {
              ...page,
              post: { ...page.post, replies_count: page.post.replies_count + 1 },
              replies: [...page.replies, event.activity],
            }
          : page,
      );
  }
}

function onPage(state: State, change: (page: Page) => Page): State {
  return state.view.phase === 'ready' ? { ...state, view: { phase: 'ready', page: change(state.view.page) } } : state;
}

/** An error in words. Whatever was thrown, someone has to read it. */
export function failureOf(error: unknown): Failure {
  const failure = { status: null, traceId: traceIdOf(error) };
  if (error instanceof ApiError) {
    const { title, detail, status, trace_id } = error.problem;
    return { title, detail, status, traceId: trace_id ?? failure.traceId };
  }
  if (error instanceof DOMException && error.name === 'TimeoutError') {
    return { ...failure, title: 'No answer', detail: 'The server took too long. It may be busy; try again in a moment.' };
  }
  // What `fetch` throws when it gets no answer at all.
  if (error instanceof TypeError) {
    return { ...failure, title: 'Cannot reach Cruddur', detail: 'The request did not get through. Is the network there?' };
  }
  return { ...failure, title: 'Something went wrong', detail: error instanceof Error ? error.message : String(error) };
}
