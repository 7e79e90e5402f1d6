import { useEffect, useState } from 'react';

import { getSpan } from '../shared/api';
import { hue } from '../shared/colours';
import { database, failure, groups, httpStatus, station, valueText, webAddress } from './describe';
import { duration } from '../shared/format';
import { xrayTraceId } from '../shared/ids';
import { setQuery } from '../shared/location';
import { originOf, ownTime } from './path';
import type { Attributes, Span, SpanEvent, Trace, Value } from '../shared/shapes';
import { NoteBody, SaidBySpan } from './NotePanel';
import type { Notes } from './notes';
import { PlanView } from './PlanView';
import { RepeatBody } from './RepeatPanel';
import type { Rows } from './rows';
import type { Forest, Node } from './tree';
import { Copy } from '../shared/Copy';
import { Link } from '../shared/Link';
import { Icon } from '../shared/marks';

interface Props {
  readonly trace: Trace;
  readonly forest: Forest;
  readonly id: string;
  readonly node: Node | undefined;
  readonly rows: Rows;
  /** Whether the spans of the trace carry their attributes. */
  readonly whole: boolean;
  readonly notes: Notes;
  readonly onSelect: (id: string | null) => void;
  readonly onToggle: (id: string) => void;
}

export function Panel({ trace, forest, id, node, rows, whole, notes, onSelect, onToggle }: Props) {
  const { span, isFetching } = useWholeSpan(node?.span, whole);
  if (!node || !span) {
    const row = rows.at(rows.placeOf(id));
    const note = notes.all.find((each) => each.id === id);
    if (note) {
      const by = forest.get(note.spanId)?.span;
      return (
        <aside className="panel" tabIndex={-1} aria-label="Details">
          <Head title={note.text} onClose={() => onSelect(null)}>
            <span className="note-level" data-note={note.severity}>
              {note.kind === 'error' ? 'error' : note.severity}
            </span>
            <span className="soft">+{duration(Math.max(note.time - trace.start_unix_nano, 0))}</span>
          </Head>
          <NoteBody id={id} notes={notes} span={by} onSelect={onSelect} />
        </aside>
      );
    }
    if (row?.repeat) {
      const { span: first } = row.repeat.nodes[0]!;
      return (
        <aside className="panel" tabIndex={-1} aria-label="Details">
          <Head title={first.name} onClose={() => onSelect(null)}>
            <b className="times">× {row.repeat.nodes.length}</b>
            <span className={`chip ${hue(first.service)}`}>{first.service}</span>
            {database(first) !== null && <span className={`chip ${hue(database(first) ?? '')}`}>{database(first)}</span>}
          </Head>
          <RepeatBody repeat={row.repeat} isOpen={!row.collapsed} onToggle={() => onToggle(id)} onSelect={onSelect} />
        </aside>
      );
    }
    const missing = row?.missing;
    return (
      <aside className="panel" tabIndex={-1} aria-label="Details">
        <Head title={missing ? 'A span that has not arrived' : 'No such span here'} onClose={() => onSelect(null)} />
        <div className="panel-body">
          <p className="soft">
            {missing
              ? `The spans below name ${missing.parentSpanId} as their parent. It may still be on its way, may not have been sampled, or was lost on its way.`
              : `The span ${id} has not arrived in this trace.`}
          </p>
        </div>
      </aside>
    );
  }
  return <SpanPanel trace={trace} node={node} span={span} isFetching={isFetching} notes={notes} onSelect={onSelect} />;
}

function SpanPanel({ trace, node, span, isFetching, notes, onSelect }: { trace: Trace; node: Node; span: Span; isFetching: boolean; notes: Notes; onSelect: Props['onSelect'] }) {
  const [filter, setFilter] = useState('');
  const own = ownTime(node);
  const why = failure(span);
  const origin = originOf(node);
  const status = httpStatus(span);
  const sql = span.attributes['db.query.text'] ?? span.attributes['db.statement'];
  const attributes = Object.entries(span.attributes).filter(([key]) => key !== 'db.query.text' && key !== 'db.statement');
  const wanted = attributes.filter(([key, value]) => `${key} ${valueText(value)}`.toLowerCase().includes(filter.toLowerCase()));
  return (
    <aside className="panel" tabIndex={-1} aria-label={`Details of ${span.name}`}>
      <Head title={span.name} onClose={() => onSelect(null)}>
        <span className={`chip ${hue(span.service)}`}>{span.service}</span>
        {database(span) !== null && <span className={`chip ${hue(database(span) ?? '')}`}>{database(span)}</span>}
        <span className="soft">{span.kind}</span>
        {status !== null && (
          <span className="status" data-bad={status >= 500} data-fine={status < 400}>
            {status}
          </span>
        )}
      </Head>
      <div className="panel-body">
        <dl className="facts">
          <div>
            <dt>Duration</dt>
            <dd>
              <b>{duration(span.duration_nano)}</b>
            </dd>
          </div>
          <div title="Its duration without the time in which its children ran">
            <dt>Own time</dt>
            <dd>{duration(own)}</dd>
          </div>
          <div title="Since the start of the trace">
            <dt>Starts at</dt>
            <dd>{duration(Math.max(span.start_unix_nano - trace.start_unix_nano, 0))}</dd>
          </div>
          <div>
            <dt>Of the trace</dt>
            <dd>{((100 * span.duration_nano) / Math.max(trace.duration_nano, 1)).toFixed(1)} %</dd>
          </div>
        </dl>
        {why !== null && (
          <p className="why">
            <Icon name="warn" />
            <span>
              {why || 'Failed'}
              {origin !== node && (
                <>
                  {why ? '. It began in ' : ' because of '}
                  <button type="button" className="link" onClick={() => onSelect(origin.id)}>
                    {station(origin.span)}: {origin.span.name}
                  </button>
                </>
              )}
            </span>
          </p>
        )}
        {sql !== undefined && (
          <section>
            <h3>
              Query <Copy text={valueText(sql)} what="the query" />
            </h3>
            <pre className="sql" tabIndex={0}>
              <code>{valueText(sql)}</code>
            </pre>
          </section>
        )}
        <PlanView node={node} onSelect={onSelect} />
        <SaidBySpan span={span} notes={notes} />
        {span.events.length > 0 && (
          <section>
            <h3>Events</h3>
            {span.events.map((event, index) => (
              <Event key={index} event={event} span={span} />
            ))}
          </section>
        )}
        <section>
          <h3>
            Attributes
            {attributes.length > 8 && <input type="text" className="filter" value={filter} placeholder="Filter" aria-label="Filter the attributes" onChange={(event) => setFilter(event.target.value)} />}
          </h3>
          {attributes.length === 0 && <p className="soft">{isFetching ? 'Asking for them …' : 'None'}</p>}
          {attributes.length > 0 && wanted.length === 0 && <p className="soft">None has “{filter}”</p>}
          {groups(Object.fromEntries(wanted)).map(({ name, entries }) => (
            <Entries key={name} entries={entries} findable />
          ))}
        </section>
        {span.links.length > 0 && (
          <section>
            <h3>Links</h3>
            {span.links.map((link, index) => (
              <div key={index} className="span-link">
                <Link to={`/trace/${link.trace_id}${link.span_id ? `?span=${link.span_id}` : ''}`}>
                  <Icon name="link" />
                  <code>{link.trace_id}</code>
                </Link>
                <Entries entries={Object.entries(link.attributes)} />
              </div>
            ))}
          </section>
        )}
        <section>
          <h3>Span</h3>
          <Entries
            entries={[
              ['span id', span.span_id],
              ['trace id', span.trace_id],
              ['X-Ray trace id', xrayTraceId(span.trace_id)],
              ...(span.scope ? ([['made by', [span.scope.name, span.scope.version].filter(Boolean).join(' ')]] as [string, Value][]) : []),
              ['arrived as', span.source],
            ]}
          />
          {span.parent_span_id !== null && (
            <dl className="entries">
              <div>
                <dt>parent</dt>
                <dd>
                  {node.parent ? (
                    <button type="button" className="link" onClick={() => onSelect(node.parent?.id ?? null)}>
                      {node.parent.span.name}
                    </button>
                  ) : (
                    <code>{span.parent_span_id}</code>
                  )}
                </dd>
              </div>
            </dl>
          )}
        </section>
        <details>
          <summary>Resource</summary>
          <Entries entries={Object.entries(span.resource).sort(([a], [b]) => (a < b ? -1 : 1))} />
        </details>
        <p>
          <Copy text={JSON.stringify(span, null, 2)} what="the span as JSON">
            Copy as JSON
          </Copy>
        </p>
      </div>
    </aside>
  );
}

function Head({ title, onClose, children }: { title: string; onClose: () => void; children?: React.ReactNode }) {
  return (
    <header className="panel-head">
      <div className="panel-where">
        {children}
        <span className="spacer" />
        <button type="button" className="quiet" onClick={onClose} aria-label="Close the details" title="Close (Esc)">
          <Icon name="close" />
        </button>
      </div>
      <h2>{title}</h2>
    </header>
  );
}

function Event({ event, span }: { event: SpanEvent; span: Span }) {
  const { 'exception.stacktrace': stack, 'exception.type': type, 'exception.message': message, ...rest } = event.attributes;
  const isException = event.name === 'exception';
  return (
    <div className="span-event" data-exception={isException}>
      <p>
        <b>{isException && type !== undefined ? valueText(type) : event.name}</b>
        <time title="Since the start of the span">+{duration(Math.max(event.time_unix_nano - span.start_unix_nano, 0))}</time>
      </p>
      {message !== undefined && <p>{valueText(message)}</p>}
      {stack !== undefined && (
        <details>
          <summary>Stack</summary>
          <pre tabIndex={0}>{valueText(stack)}</pre>
        </details>
      )}
      <Entries entries={Object.entries(isException ? rest : (event.attributes as Attributes))} />
    </div>
  );
}

/** Keys and values. A click on a key of an attribute finds the spans that have the same value. */
function Entries({ entries, findable = false }: { entries: readonly [string, Value][]; findable?: boolean }) {
  if (entries.length === 0) return null;
  return (
    <dl className="entries">
      {entries.map(([key, value]) => {
        const text = valueText(value);
        const address = webAddress(value);
        return (
          <div key={key}>
            <dt>
              {findable ? (
                <button type="button" title="Find spans of this trace with the same value" onClick={() => setQuery({ q: /[\s"]/.test(text) ? `${key}=` + `"${text.replaceAll('"', '')}"` : `${key}=${text}` })}>
                  {key}
                </button>
              ) : (
                key
              )}
            </dt>
            <dd data-type={typeof value}>
              {address === null ? (
                text
              ) : (
                <a href={address} target="_blank" rel="noopener noreferrer">
                  {text}
                </a>
              )}
              <Copy text={text} what={key} />
            </dd>
          </div>
        );
      })}
    </dl>
  );
}

/** A span with its attributes, which are fetched when the trace came without. */
function useWholeSpan(span: Span | undefined, whole: boolean): { span: Span | undefined; isFetching: boolean } {
  const [fetched, setFetched] = useState<Span | 'failed' | null>(null);
  useEffect(() => {
    if (!span || whole) return;
    const asked = new AbortController();
    getSpan(span.trace_id, span.span_id, asked.signal).then(setFetched, () => asked.signal.aborted || setFetched('failed'));
    return () => asked.abort();
  }, [span, whole]);
  if (whole || fetched === 'failed') return { span, isFetching: false };
  return { span: fetched ?? span, isFetching: fetched === null };
}
