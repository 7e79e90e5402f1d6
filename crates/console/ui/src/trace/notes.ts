// What was logged and reported during a trace, by the span that said it. Pure.

import { summary } from '../errors/model';
import type { ErrorGroup, Occurrence } from '../errors/model';
import { said, severity } from '../logs/model';
import type { LogEvent } from '../logs/model';
import type { Note } from './rows';
import type { Forest } from './tree';

export interface ReportedError {
  readonly group: ErrorGroup;
  readonly occurrence: Occurrence;
}

export interface Notes {
  readonly bySpan: ReadonlyMap<string, readonly Note[]>;
  readonly all: readonly Note[];
  readonly logs: ReadonlyMap<string, LogEvent>;
  readonly errors: ReadonlyMap<string, ReportedError>;
}

/** In order of time. What names no span of this trace stands at the root, which is where the trace began to say things. */
export function notesOf(forest: Forest, events: readonly LogEvent[], reported: readonly ReportedError[]): Notes {
  const root = (forest.roots[0] ?? forest.missing[0]?.children[0])?.id;
  const logs = new Map<string, LogEvent>();
  const errors = new Map<string, ReportedError>();
  const all: Note[] = [];
  const add = (note: Omit<Note, 'spanId'>, spanId: string | null) => {
    const at = spanId !== null && forest.has(spanId) ? spanId : root;
    if (at !== undefined) all.push({ ...note, spanId: at });
  };
  for (const event of events) {
    const id = `log-${event.id}`;
    if (logs.has(id)) continue;
    logs.set(id, event);
    add({ id, kind: 'log', time: event.time_unix_nano, severity: severity(event.level), text: said(event) }, event.span_id);
  }
  for (const error of reported) {
    const { occurrence } = error;
    const id = `error-${occurrence.uuid}`;
    if (errors.has(id)) continue;
    errors.set(id, error);
    add({ id, kind: 'error', time: timeOf(error, forest), severity: severity(error.group.level), text: summary(occurrence) }, occurrence.span_id);
  }
  all.sort((a, b) => a.time - b.time);
  const bySpan = new Map<string, Note[]>();
  for (const note of all) {
    const known = bySpan.get(note.spanId);
    if (known) known.push(note);
    else bySpan.set(note.spanId, [note]);
  }
  return { bySpan, all, logs, errors };
}

/** Rollbar's items tell whole seconds: the exception of the span that reported it tells better, and else the error is somewhere in the span. */
function timeOf({ occurrence: { time_unix_nano, span_id } }: ReportedError, forest: Forest): number {
  const span = span_id === null ? undefined : forest.get(span_id)?.span;
  if (!span) return time_unix_nano;
  const exception = span.events.find(({ name }) => name === 'exception');
  if (exception) return exception.time_unix_nano;
  return Math.min(Math.max(time_unix_nano, span.start_unix_nano), span.start_unix_nano + span.duration_nano);
}

/** A mark on a bar: what stands nearer together than `near`, in the unit of `share`, is one mark. */
export interface Mark {
  readonly at: number;
  readonly names: readonly string[];
  readonly notes: readonly Note[];
  readonly isFailure: boolean;
}

export interface Point {
  readonly time: number;
  readonly name: string;
  readonly isFailure: boolean;
  readonly note: Note | null;
}

export function cluster(points: readonly Point[], share: (time: number) => number, near: number): Mark[] {
  const marks: { at: number; names: string[]; notes: Note[]; isFailure: boolean }[] = [];
  for (const { time, name, isFailure, note } of [...points].sort((a, b) => a.time - b.time)) {
    const at = share(time);
    if (at < 0 || at > 100) continue;
    const last = marks.at(-1);
    if (last && at - last.at < near) {
      last.names.push(name);
      last.isFailure ||= isFailure;
      if (note) last.notes.push(note);
    } else marks.push({ at, names: [name], notes: note ? [note] : [], isFailure });
  }
  return marks;
}
