import './lines.css';

import { Copy } from '../shared/Copy';
import { clock } from '../shared/format';
import { Link } from '../shared/Link';
import type { Value } from '../shared/shapes';
import type { LogEvent } from './model';

/** Everything of a line. A click on a field's name finds lines that say the same. */
export function Fields({ event, inTrace = false }: { event: LogEvent; inTrace?: boolean }) {
  const rows = flattened(event.fields ?? {});
  return (
    <div className="log-fields">
      {event.fields === null && <pre tabIndex={0}>{event.message}</pre>}
      <dl className="entries">
        {rows.map(([key, text]) => (
          <div key={key}>
            <dt>
              <Link to={`/logs?q=${encodeURIComponent(quoted(text))}`} title="Find lines that say the same">
                {key}
              </Link>
            </dt>
            <dd>
              {text}
              <Copy text={text} what={key} />
            </dd>
          </div>
        ))}
      </dl>
      <p className="log-links">
        <span className="soft">
          {clock(event.time_unix_nano, Date.now())} · {event.group} · {event.stream}
        </span>
        {event.trace_id !== null && !inTrace && <Link to={`/trace/${event.trace_id}${event.span_id ? `?span=${event.span_id}&logs=${event.span_id}` : ''}`}>Trace</Link>}
        {event.trace_id !== null && <Link to={`/logs?trace_id=${event.trace_id}`}>Lines of this trace</Link>}
        <Link to={around(event)}>Lines around it</Link>
        <Copy text={event.message} what="the line as it came">
          Copy
        </Copy>
      </p>
    </div>
  );
}

/** How far "around" reaches, to both sides. */
const AROUND_NS = 5e9;

function around({ time_unix_nano, id }: LogEvent): string {
  return `/logs?start=${time_unix_nano - AROUND_NS}&end=${time_unix_nano + AROUND_NS}&line=${encodeURIComponent(id)}`;
}

/** Objects within objects as keys with dots; arrays as they are. */
function flattened(fields: Readonly<Record<string, Value>>, before = ''): [string, string][] {
  return Object.entries(fields).flatMap(([key, value]): [string, string][] => {
    const name = before + key;
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) return flattened(value as Readonly<Record<string, Value>>, `${name}.`);
    return [[name, typeof value === 'string' ? value : JSON.stringify(value)]];
  });
}

function quoted(text: string): string {
  return /^[\w.-]+$/.test(text) ? text : `"${text.replaceAll('"', '')}"`;
}
