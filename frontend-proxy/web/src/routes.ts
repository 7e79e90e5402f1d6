// The app's addresses. A route's pattern doubles as the name of the action that opens it.

import * as api from './api';
import type { Activity, Feed, Notification, User } from './shapes';
import type { Action } from './telemetry';

/** Everything one page shows. */
export type Page =
  | { readonly kind: 'home'; readonly feed: Feed }
  | { readonly kind: 'profile'; readonly user: User; readonly feed: Feed }
  | { readonly kind: 'post'; readonly post: Activity; readonly replies: readonly Activity[] }
  | { readonly kind: 'search'; readonly term: string; readonly feed: Feed | null }
  | { readonly kind: 'notifications'; readonly items: readonly Notification[]; readonly next: string | null }
  | { readonly kind: 'sign-in' }
  | { readonly kind: 'sign-up' }
  | { readonly kind: 'not-found' };

export type PageKind = Page['kind'];

export interface Match {
  readonly kind: PageKind;
  /** Of low cardinality: it names spans. */
  readonly pattern: string;
  readonly load: (action: Action) => Promise<Page>;
}

/** Finds what is at an address (path and query). Every address has an answer, if only "not found". */
export function match(address: string): Match {
  const url = new URL(address, 'http://app');
  const [first = '', second, ...rest] = url.pathname.split('/').slice(1).map(decode);
  const depth = rest.length + (second === undefined ? 1 : 2);

  if (depth === 1) {
    switch (first) {
      case '':
        return { kind: 'home', pattern: '/', load: async (action) => ({ kind: 'home', feed: await api.home(action) }) };
      case 'search': {
        const term = searchTerm(address);
        return {
          kind: 'search',
          pattern: '/search',
          load: async (action) => ({ kind: 'search', term, feed: term ? await api.search(action, term) : null }),
        };
      }
      case 'notifications':
        return {
          kind: 'notifications',
          pattern: '/notifications',
          load: async (action) => ({ kind: 'notifications', ...(await api.notifications(action)) }),
        };
      case 'sign-in':
      case 'sign-up':
        return { kind: first, pattern: `/${first}`, load: async () => ({ kind: first }) };
    }
    if (first.startsWith('@') && first.length > 1) {
      return {
        kind: 'profile',
        pattern: '/@{handle}',
        load: async (action) => ({ kind: 'profile', ...(await api.profile(action, first.slice(1))) }),
      };
    }
  }
  if (depth === 2 && first === 'post' && second) {
    return {
      kind: 'post',
      pattern: '/post/{uuid}',
      load: async (action) => ({ kind: 'post', ...(await api.thread(action, second)) }),
    };
  }
  return { kind: 'not-found', pattern: '/{unknown}', load: async () => ({ kind: 'not-found' }) };
}

/** What a search page looks for; empty on a page that only asks. */
export function searchTerm(address: string): string {
  return new URL(address, 'http://app').searchParams.get('term')?.trim() ?? '';
}

/** The cursor of the page's "load more", when it has one. */
export function nextOf(page: Page): string | null {
  if ('feed' in page) return page.feed?.next ?? null;
  return page.kind === 'notifications' ? page.next : null;
}

/** Asks for what comes after `before`, and gives the page with it added. */
export async function loadMore(action: Action, page: Page, before: string): Promise<Page> {
  switch (page.kind) {
    case 'home':
      return { ...page, feed: joined(page.feed, await api.home(action, before)) };
    case 'profile':
      return { ...page, feed: joined(page.feed, (await api.profile(action, page.user.handle, before)).feed) };
    case 'search':
      return { ...page, feed: joined(page.feed, await api.search(action, page.term, before)) };
    case 'notifications': {
      const more = await api.notifications(action, before);
      return { ...page, items: unique([...page.items, ...more.items]), next: more.next };
    }
    default:
      return page;
  }
}

function joined(feed: Feed | null, more: Feed): Feed {
  return { activities: unique([...(feed?.activities ?? []), ...more.activities]), next: more.next };
}

/** A post written here and loaded again is still one post. */
function unique<T extends { readonly uuid: string }>(items: readonly T[]): T[] {
  return [...new Map(items.map((item) => [item.uuid, item])).values()];
}

/** A broken escape such as `/%` is an address like any other: one that nothing lives at. */
function decode(segment: string): string {
  try {
    return decodeURIComponent(segment);
  } catch {
    return segment;
  }
}
