import { Fields } from '../logs/Fields';
import { said, severity } from '../logs/model';
import { Stack } from '../errors/Stack';
import { summary } from '../errors/model';
import { clock, count, duration, plural } from '../shared/format';
import { Link } from '../shared/Link';
import { Icon } from '../shared/marks';
import type { Span } from '../shared/shapes';
import type { Notes, ReportedError } from './notes';

/** A log line or an error that was chosen in the waterfall. */
export function NoteBody({ id, notes, span, onSelect }: { id: string; notes: Notes; span: Span | undefined; onSelect: (id: string) => void }) {
  const log = notes.logs.get(id);
  const error = notes.errors.get(id);
  return (
    <div className="panel-body">
      {span && (
        <p>
          <span className="soft">Said by </span>
          <button type="button" className="link" onClick={() => onSelect(span.span_id)}>
            {span.service}: {span.name}
          </button>
        </p>
      )}
      {log && (
        <>
          <p className="note-message" data-note={severity(log.level)}>
            {said(log)}
          </p>
          <Fields event={log} inTrace />
        </>
      )}
      {error && <Reported error={error} />}
    </div>
  );
}

/** What a span said, in its details. */
export function SaidBySpan({ span, notes }: { span: Span; notes: Notes }) {
  const here = notes.bySpan.get(span.span_id) ?? [];
  const errors = here.flatMap(({ id }) => notes.errors.get(id) ?? []);
  const logs = here.flatMap(({ id }) => notes.logs.get(id) ?? []);
  return (
    <>
      {errors.length > 0 && (
        <section>
          <h3>{errors.length === 1 ? 'Reported error' : plural(errors.length, 'reported error')}</h3>
          {errors.map((error) => (
            <Reported key={error.occurrence.uuid} error={error} />
          ))}
        </section>
      )}
      {logs.length > 0 && (
        <section>
          <h3>{logs.length === 1 ? 'Log line' : `Log lines (${count(logs.length)})`}</h3>
          {logs.slice(0, MOST_LINES).map((event) => (
            <details key={event.id} className="said-line" data-note={severity(event.level)}>
              <summary>
                <time title="Since the start of the span">+{duration(Math.max(event.time_unix_nano - span.start_unix_nano, 0))}</time> {said(event)}
              </summary>
              <Fields event={event} inTrace />
            </details>
          ))}
          {logs.length > MOST_LINES && (
            <p>
              <Link to={`/logs?trace_id=${span.trace_id}&span_id=${span.span_id}`}>All {count(logs.length)} lines</Link>
            </p>
          )}
        </section>
      )}
    </>
  );
}

const MOST_LINES = 30;

function Reported({ error: { group, occurrence } }: { error: ReportedError }) {
  return (
    <div className="span-event" data-exception={severity(group.level) === 'error'}>
      <p>
        <Link to={`/errors/${group.id}?occurrence=${occurrence.uuid}`}>
          <Icon name="warn" /> {summary(occurrence)}
        </Link>
        <time>{clock(occurrence.time_unix_nano, Date.now())}</time>
      </p>
      <p className="soft">
        {group.status} · {plural(group.count, 'time')} · {plural(group.people, 'person').replace('persons', 'people')}
      </p>
      {occurrence.trace_chain.length > 0 && (
        <details>
          <summary>Stack</summary>
          <Stack chain={occurrence.trace_chain} />
        </details>
      )}
    </div>
  );
}
