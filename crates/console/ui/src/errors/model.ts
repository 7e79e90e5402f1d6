// Groups of errors and their occurrences as the console's API gives them. Pure.

import type { Value } from '../shared/shapes';

export type Status = 'active' | 'resolved' | 'regression';

export interface ErrorGroup {
  readonly id: string;
  readonly fingerprint: string;
  readonly title: string;
  readonly level: string;
  readonly status: Status;
  readonly environment: string | null;
  readonly service: string | null;
  /** The route or the place in the program. */
  readonly context: string | null;
  readonly count: number;
  readonly people: number;
  readonly first_seen_unix_nano: number;
  readonly last_seen_unix_nano: number;
  readonly last_trace_id: string | null;
}

export interface Frame {
  readonly file: string;
  readonly line: number | null;
  readonly method: string | null;
  readonly code?: string | null;
}

export interface Thrown {
  readonly class: string;
  readonly message: string | null;
  readonly frames: readonly Frame[];
}

export interface Occurrence {
  readonly uuid: string;
  readonly time_unix_nano: number;
  readonly trace_id: string | null;
  readonly span_id: string | null;
  readonly person: Value;
  readonly code_version: string | null;
  readonly request: Value;
  /** The error that was caught first, then what caused it. */
  readonly trace_chain: readonly Thrown[];
  readonly message: string | null;
  readonly custom: Readonly<Record<string, Value>>;
  readonly person_details?: Value;
  readonly server?: Value;
  /** What led to it, as browsers record it. */
  readonly telemetry?: readonly Value[];
}

export interface Deploy {
  readonly id: string;
  readonly revision: string;
  readonly status: string;
  readonly user: string | null;
  readonly time_unix_nano: number;
}

export interface GroupPage {
  readonly groups: readonly ErrorGroup[];
  readonly next: string | null;
}

export interface ErrorDetails {
  readonly group: ErrorGroup;
  readonly occurrences: readonly Occurrence[];
  /** Where the next page of occurrences begins. */
  readonly next: string | null;
  readonly deploys: readonly Deploy[];
}

/** What went wrong, in one line. */
export function summary({ trace_chain: [first], message }: Occurrence): string {
  if (first) return first.message ? `${first.class}: ${first.message}` : first.class;
  return message ?? 'An error without a message';
}

/** Frames of libraries and of the runtime: they are folded, so that one's own are seen first. */
const NOT_OURS = /(^|\/)(\.cargo|rustc|node_modules|site-packages|dist-packages|lib\/rustlib)\/|^(<anonymous>|node:|library\/(std|core|alloc)|webpack\/|internal\/)|\/rustc\/|(^|\/)python3[.\d]*\//;

export function isOurs({ file }: Frame): boolean {
  return !NOT_OURS.test(file);
}

/** Frames in runs of one's own and of others', the innermost first; Rollbar's order is the other way round. */
export function runs(frames: readonly Frame[]): { readonly ours: boolean; readonly frames: readonly Frame[] }[] {
  const found: { ours: boolean; frames: Frame[] }[] = [];
  for (const frame of [...frames].reverse()) {
    const ours = isOurs(frame);
    const last = found.at(-1);
    if (last && last.ours === ours) last.frames.push(frame);
    else found.push({ ours, frames: [frame] });
  }
  return found;
}

/** `id`, with the name where there is one. */
export function personText(person: Value): string | null {
  if (typeof person === 'string' || typeof person === 'number') return String(person);
  if (typeof person !== 'object' || person === null || Array.isArray(person)) return null;
  const { id, username, email } = person as Readonly<Record<string, Value>>;
  const name = [username, email].find((each) => typeof each === 'string' && each !== '');
  const known = id === undefined || id === null ? null : String(id);
  if (name === undefined) return known;
  return known === null ? String(name) : `${String(name)} (${known})`;
}

export function peopleOf(occurrences: readonly Occurrence[]): { readonly person: string; readonly count: number }[] {
  const counts = new Map<string, number>();
  for (const { person } of occurrences) {
    const text = personText(person);
    if (text !== null) counts.set(text, (counts.get(text) ?? 0) + 1);
  }
  return [...counts].map(([person, count]) => ({ person, count })).sort((a, b) => b.count - a.count);
}

/** As a text for a colleague or an assistant: what failed, where, and where to look further. */
export function asText(group: ErrorGroup, occurrence: Occurrence, origin: string): string {
  const lines = [`${group.title}`, `${group.count} times for ${group.people} people, service ${group.service ?? 'unknown'}${group.context ? `, ${group.context}` : ''}`];
  for (const { class: name, message, frames } of occurrence.trace_chain) {
    lines.push('', message ? `${name}: ${message}` : name);
    for (const { file, line, method } of [...frames].reverse()) lines.push(`  at ${method ?? '?'} (${file}${line === null ? '' : `:${line}`})`);
  }
  if (occurrence.message) lines.push('', occurrence.message);
  lines.push('', `${origin}/errors/${group.id}`);
  if (occurrence.trace_id) lines.push(`${origin}/trace/${occurrence.trace_id}${occurrence.span_id ? `?span=${occurrence.span_id}` : ''}`);
  return lines.join('\n');
}
