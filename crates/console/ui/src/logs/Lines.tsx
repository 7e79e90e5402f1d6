import './lines.css';

import { hue } from '../shared/colours';
import { clock, duration } from '../shared/format';
import { Link } from '../shared/Link';
import { Icon } from '../shared/marks';
import { Fields } from './Fields';
import { extras, marked, said, severity } from './model';
import type { LogEvent } from './model';

interface Props {
  readonly events: readonly LogEvent[];
  /** Marked wherever they stand. */
  readonly words: readonly string[];
  /** The line whose fields are shown. */
  readonly opened: string | null;
  readonly onOpen: (id: string | null) => void;
  /** Times are shown as seconds from here. */
  readonly at?: number;
}

/** Log lines, each opened in place. */
export function Lines({ events, words, opened, onOpen, at }: Props) {
  const now = Date.now();
  return (
    <ol className="log-lines">
      {events.map((event) => {
        const isOpen = event.id === opened;
        return (
          <li key={event.id} data-note={severity(event.level)} data-open={isOpen}>
            <div className="log-line">
              <button type="button" className="log-line-open" aria-expanded={isOpen} data-line={event.id} onClick={() => onOpen(isOpen ? null : event.id)}>
                <time title={clock(event.time_unix_nano, now)}>{at === undefined ? clock(event.time_unix_nano, now) : away(event.time_unix_nano - at)}</time>
                <span className="log-line-level">{event.level ?? '–'}</span>
                <span className="log-line-service">{event.service !== null ? <span className={`chip ${hue(event.service)}`}>{event.service}</span> : <span className="soft">{event.stream}</span>}</span>
                <span className="log-line-text">
                  <Marked text={said(event)} words={words} />
                  {extras(event.fields).map(([key, value]) => (
                    <span key={key} className="log-line-extra">
                      {' '}
                      <i>{key}=</i>
                      <Marked text={value} words={words} />
                    </span>
                  ))}
                </span>
              </button>
              {event.trace_id !== null && (
                <Link to={`/trace/${event.trace_id}${event.span_id ? `?span=${event.span_id}&logs=${event.span_id}` : ''}`} className="log-line-trace" title={`Trace ${event.trace_id}`} aria-label="Its trace">
                  <Icon name="link" />
                </Link>
              )}
            </div>
            {isOpen && <Fields event={event} />}
          </li>
        );
      })}
    </ol>
  );
}

function Marked({ text, words }: { text: string; words: readonly string[] }) {
  const parts = marked(text.length > MOST_LETTERS ? `${text.slice(0, MOST_LETTERS)}…` : text, words);
  return parts.map((part, index) => (part.isHit ? <mark key={index}>{part.text}</mark> : part.text));
}

/** Of a line that is closed; opened it is shown whole. */
const MOST_LETTERS = 600;

/** `+12 ms`, `−1.2 s`. */
function away(nanos: number): string {
  return `${nanos < 0 ? '−' : '+'}${duration(Math.abs(nanos))}`;
}
