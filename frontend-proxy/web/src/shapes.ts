// What the gateway sends. Every answer is taken apart once, here; past this file the types are true.

export interface User {
  readonly id: string;
  readonly handle: string;
  readonly display_name: string;
  readonly bio: string | null;
  readonly created_at: string | null;
}

export interface Author {
  readonly uuid: string;
  readonly handle: string;
  readonly display_name: string;
}

export interface Activity {
  readonly uuid: string;
  readonly message: string;
  readonly created_at: string;
  readonly expires_at: string | null;
  readonly replies_count: number;
  readonly reply_to_activity_uuid: string | null;
  /** Absent when the users service does not know the author, or could not be asked. */
  readonly user: Author | null;
}

export interface Feed {
  readonly activities: readonly Activity[];
  /** The cursor of the page after this one. */
  readonly next: string | null;
}

export interface Notification {
  readonly uuid: string;
  readonly kind: string;
  readonly activity: Activity;
  readonly created_at: string;
}

/** RFC 9457, with the trace id that leads to the cause. */
export interface Problem {
  readonly title: string;
  readonly detail: string;
  readonly status: number;
  readonly trace_id: string | null;
}

/** The answer is not what the app expects: a newer server, or something in between. */
export class ShapeError extends Error {
  override name = 'ShapeError';
}

export function user(value: unknown): User {
  const fields = object(value, 'user');
  return {
    id: string(fields, 'id' in fields ? 'id' : 'uuid'),
    handle: string(fields, 'handle'),
    display_name: string(fields, 'display_name'),
    bio: optional(fields, 'bio', string),
    created_at: optional(fields, 'created_at', string),
  };
}

export function activity(value: unknown): Activity {
  const fields = object(value, 'activity');
  return {
    uuid: string(fields, 'uuid'),
    message: string(fields, 'message'),
    created_at: string(fields, 'created_at'),
    expires_at: optional(fields, 'expires_at', string),
    replies_count: optional(fields, 'replies_count', number) ?? 0,
    reply_to_activity_uuid: optional(fields, 'reply_to_activity_uuid', string),
    user: optional(fields, 'user', (all, key) => author(all[key])),
  };
}

export function feed(value: unknown): Feed {
  const fields = object(value, 'feed');
  return { activities: array(fields, 'activities').map(activity), next: optional(fields, 'next', string) };
}

/** A new post or reply, on its own or wrapped. */
export function oneActivity(value: unknown): Activity {
  const fields = object(value, 'answer');
  return activity('activity' in fields ? fields['activity'] : fields);
}

export function profile(value: unknown): { user: User; feed: Feed } {
  return { user: user(object(value, 'profile')['user']), feed: feed(value) };
}

export function thread(value: unknown): { post: Activity; replies: readonly Activity[] } {
  const fields = object(value, 'thread');
  return { post: activity(fields['activity']), replies: array(fields, 'replies').map(activity) };
}

export function notifications(value: unknown): { items: readonly Notification[]; next: string | null } {
  const fields = object(value, 'notifications');
  const items = array(fields, 'notifications').map((item) => {
    const each = object(item, 'notification');
    return {
      uuid: string(each, 'uuid'),
      kind: string(each, 'kind'),
      activity: activity(each['activity']),
      created_at: string(each, 'created_at'),
    };
  });
  return { items, next: optional(fields, 'next', string) };
}

export function signedIn(value: unknown): User {
  return user(object(value, 'sign-in')['user']);
}

/** Never throws: a gateway in front may answer with a page of HTML, and that too must be shown. */
export function problem(value: unknown, status: number, statusText: string): Problem {
  const fields = typeof value === 'object' && value !== null ? (value as Fields) : {};
  const text = (key: string) => (typeof fields[key] === 'string' && fields[key] !== '' ? fields[key] : null);
  return {
    title: text('title') ?? (statusText || `Status ${status}`),
    detail: text('detail') ?? 'The server gave no further explanation.',
    status,
    trace_id: text('trace_id'),
  };
}

type Fields = Record<string, unknown>;

function author(value: unknown): Author {
  const fields = object(value, 'author');
  return {
    uuid: string(fields, 'uuid' in fields ? 'uuid' : 'id'),
    handle: string(fields, 'handle'),
    display_name: string(fields, 'display_name'),
  };
}

function object(value: unknown, what: string): Fields {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Fields;
  throw new ShapeError(`The server's answer was not understood: ${what} is not an object.`);
}

function string(fields: Fields, key: string): string {
  const value = fields[key];
  if (typeof value === 'string') return value;
  throw new ShapeError(`The server's answer was not understood: ${key} is not text.`);
}

function number(fields: Fields, key: string): number {
  const value = fields[key];
  if (typeof value === 'number') return value;
  throw new ShapeError(`The server's answer was not understood: ${key} is not a number.`);
}

function array(fields: Fields, key: string): unknown[] {
  const value = fields[key];
  if (Array.isArray(value)) return value;
  throw new ShapeError(`The server's answer was not understood: ${key} is not a list.`);
}

function optional<T>(fields: Fields, key: string, read: (fields: Fields, key: string) => T): T | null {
  return fields[key] === undefined || fields[key] === null ? null : read(fields, key);
}
