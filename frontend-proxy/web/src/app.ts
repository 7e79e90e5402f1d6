// What a person can do. Each function is one action: it opens a root span, makes the requests below
// it, and tells the state what came of it.

import { useSyncExternalStore } from 'react';

import * as api from './api';
import { loadMore as loadMoreOf, match, nextOf } from './routes';
import type { Page } from './routes';
import { rememberUser, signedInUser } from './session';
import type { Activity, User } from './shapes';
import { failureOf, initialState, reduce } from './state';
import type { Event, State } from './state';
import { traced } from './telemetry';
import type { Action, ActionOptions } from './telemetry';

let state = initialState;
const watchers = new Set<() => void>();

export function useApp(): State {
  return useSyncExternalStore(watchState, () => state);
}

/** Opens an address of the app, as a link does. */
export async function navigate(address: string, { replace = false } = {}): Promise<void> {
  keepPage();
  entry = newEntry();
  if (replace) history.replaceState(entry, '', address);
  else history.pushState(entry, '', address);
  scrollTo(0, 0);
  await open((pattern) => `navigate ${pattern}`);
}

/** Loads the page again, after an error or to see what is new. */
export async function reload(): Promise<void> {
  await open((pattern) => `click reload ${pattern}`);
}

/** Shows the first page. `started` gets the action at once, for what else belongs to the page's load. */
export async function openFirst(options: ActionOptions, started: (action: Action) => void): Promise<void> {
  history.scrollRestoration = 'manual';
  history.replaceState(entry, '');
  addEventListener('popstate', (event) => void goBackOrForward(event));
  await open((pattern) => `load ${pattern}`, options, { started });
}

export async function loadMore(): Promise<void> {
  const { view, visit, more } = state;
  if (view.phase !== 'ready' || more.loading) return;
  const before = nextOf(view.page);
  if (before === null) return;

  dispatch({ type: 'asked for more', visit });
  try {
    const page = await act('click load more', (action) => loadMoreOf(action, view.page, before));
    dispatch({ type: 'got more', visit, page });
  } catch (error) {
    dispatch({ type: 'got no more', visit, failure: failureOf(error) });
  }
}

export async function submitPost(message: string, ttl: api.TimeToLive): Promise<void> {
  const activity = await act('submit post', (action) => api.createPost(action, message, ttl));
  dispatch({ type: 'posted', activity: withAuthor(activity) });
}

export async function submitReply(to: string, message: string): Promise<void> {
  const activity = await act('submit reply', (action) => api.reply(action, to, message));
  dispatch({ type: 'replied', to, activity: withAuthor(activity) });
}

export async function signIn(handle: string, password: string): Promise<void> {
  await enter(await act('submit sign-in', (action) => api.signIn(action, handle, password)));
}

export async function signUp(handle: string, email: string, password: string): Promise<void> {
  await enter(await act('submit sign-up', (action) => api.signUp(action, handle, email, password)));
}

export async function signOut(): Promise<void> {
  // When the server cannot be reached, the person still wants to be gone from this screen.
  await act('click sign out', (action) => api.signOut(action)).catch(() => undefined);
  rememberUser(null);
  keptPages.clear();
  await navigate('/');
}

async function enter(user: User): Promise<void> {
  rememberUser(user);
  keptPages.clear();
  await navigate(safePath(new URLSearchParams(location.search).get('next')), { replace: true });
}

/** Where to go after signing in: a path of this app only. `//elsewhere` would be another site. */
export function safePath(path: string | null): string {
  return path !== null && /^\/(?![/\\])/.test(path) ? path : '/';
}

interface Opening {
  readonly kept?: Page | undefined;
  readonly started?: (action: Action) => void;
}

async function open(name: (pattern: string) => string, options: ActionOptions = {}, { kept, started }: Opening = {}): Promise<void> {
  const address = location.pathname + location.search;
  const { kind, pattern, load } = match(address);
  const visit = state.visit + 1;
  dispatch({ type: 'visited', visit, address, kind, ...(kept && { kept }) });
  try {
    const run = async (action: Action) => {
      started?.(action);
      if (!kept) dispatch({ type: 'loaded', visit, page: await load(action) });
      // The span ends when the person sees the result, not when the last byte is in.
      await painted();
    };
    await traced(name(pattern), run, { ...options, attributes: { 'page.route': pattern, 'app.from_memory': kept !== undefined } });
  } catch (error) {
    dispatch({ type: 'failed', visit, failure: failureOf(error) });
  }
}

/** An action within the page that is shown. */
function act<T>(name: string, run: (action: Action) => Promise<T>): Promise<T> {
  return traced(name, run, { attributes: { 'page.route': match(state.address).pattern } });
}

// Going back shows the page as it was, at the place where it was read: no request, no jump.

interface Entry {
  readonly key: string;
}

/** How many pages are kept for going back. An older one is simply loaded again. */
const KEPT_PAGES = 20;
const keptPages = new Map<string, { page: Page; scroll: number }>();
let entries = 0;
let entry = newEntry();

function newEntry(): Entry {
  // History outlives a reload of the document, so a counter alone would repeat itself.
  return { key: `${Math.round(performance.timeOrigin)}-${++entries}` };
}

function keepPage(): void {
  if (state.view.phase !== 'ready') return;
  keptPages.delete(entry.key);
  keptPages.set(entry.key, { page: state.view.page, scroll: scrollY });
  const oldest = keptPages.keys().next().value;
  if (keptPages.size > KEPT_PAGES && oldest !== undefined) keptPages.delete(oldest);
}

async function goBackOrForward(event: PopStateEvent): Promise<void> {
  keepPage();
  entry = (event.state as Entry | null) ?? newEntry();
  const kept = keptPages.get(entry.key);
  const opened = open((pattern) => `navigate ${pattern}`, {}, { kept: kept?.page });
  requestAnimationFrame(() => scrollTo(0, kept?.scroll ?? 0));
  await opened;
}

/** Settles when the browser has painted what was last rendered; at once in a tab nobody looks at. */
function painted(): Promise<void> {
  if (document.visibilityState === 'hidden') return Promise.resolve();
  return new Promise((resolve) => {
    // The first callback runs before the paint. A tab hidden meanwhile paints never, hence the timer.
    requestAnimationFrame(() => setTimeout(resolve));
    setTimeout(resolve, 100);
  });
}

/** A fresh post may come back without its author. We know who wrote it. */
function withAuthor(activity: Activity): Activity {
  const user = signedInUser();
  if (activity.user || !user) return activity;
  return { ...activity, user: { uuid: user.id, handle: user.handle, display_name: user.display_name } };
}

function dispatch(event: Event): void {
  state = reduce(state, event);
  for (const watcher of watchers) watcher();
}

function watchState(watcher: () => void): () => void {
  watchers.add(watcher);
  return () => watchers.delete(watcher);
}
