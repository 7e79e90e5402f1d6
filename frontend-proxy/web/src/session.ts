// Who is signed in, as far as the app needs to know.
//
// The proof is an HttpOnly cookie that no script can read. What is kept here only lets the page greet
// someone after a reload; the server believes none of it.

import type { User } from './shapes';

export type SignedInUser = Pick<User, 'id' | 'handle' | 'display_name'>;

const USER_KEY = 'cruddur.user';
const SESSION_KEY = 'cruddur.session';

let user: SignedInUser | null | undefined;
let session: string | undefined;
const watchers = new Set<() => void>();

export function signedInUser(): SignedInUser | null {
  if (user === undefined) user = parseUser(read('localStorage', USER_KEY));
  return user;
}

export function rememberUser(next: SignedInUser | null): void {
  // Chosen field by field: an e-mail address or a token must not end up in storage by accident.
  user = next && { id: next.id, handle: next.handle, display_name: next.display_name };
  write('localStorage', USER_KEY, user && JSON.stringify(user));
  for (const watcher of watchers) watcher();
}

export function watchUser(watcher: () => void): () => void {
  watchers.add(watcher);
  return () => watchers.delete(watcher);
}

/** A random id for this tab's visit. It names nobody, and it ends with the tab. */
export function sessionId(): string {
  if (session === undefined) {
    session = read('sessionStorage', SESSION_KEY) ?? randomId();
    write('sessionStorage', SESSION_KEY, session);
  }
  return session;
}

export function parseUser(text: string | null): SignedInUser | null {
  try {
    const value: unknown = JSON.parse(text ?? 'null');
    if (typeof value !== 'object' || value === null) return null;
    const { id, handle, display_name } = value as Record<string, unknown>;
    if (typeof id !== 'string' || typeof handle !== 'string' || typeof display_name !== 'string') return null;
    return { id, handle, display_name };
  } catch {
    return null;
  }
}

// `crypto.randomUUID` exists on https and localhost only; the app may be opened by its address.
function randomId(): string {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, '0')).join('');
}

// Storage can be missing (tests) or forbidden (a strict private window). Both only mean "forget".
function read(area: 'localStorage' | 'sessionStorage', key: string): string | null {
  try {
    return globalThis[area].getItem(key);
  } catch {
    return null;
  }
}

function write(area: 'localStorage' | 'sessionStorage', key: string, value: string | null): void {
  try {
    if (value === null) globalThis[area].removeItem(key);
    else globalThis[area].setItem(key, value);
  } catch {
    // Forgetting is fine.
  }
}
