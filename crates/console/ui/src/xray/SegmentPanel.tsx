import { Copy } from '../shared/Copy';
import { clock, duration } from '../shared/format';
import { setQuery } from '../shared/location';
import { Icon } from '../shared/marks';
import type { Received } from './calls';
import { annotationFilter, both, outcome } from './model';
import type { AnnotationValue, Document, Exception } from './model';
import type { Line } from './timeline';
import { Link } from '../shared/Link';

/** A segment or subsegment: what it says, or the document itself. */
export function SegmentPanel({ line, received, isRaw }: { line: Line; received: readonly Received[]; isRaw: boolean }) {
  const { document: each } = line;
  const ended = outcome(each);
  return (
    <aside className="panel" tabIndex={-1} aria-label={`Details of ${each.name}`}>
      <header className="panel-head">
        <div className="panel-where">
          <span className="chip hue-5">{each.inferred ? 'inferred segment' : line.isSegment ? 'segment' : 'subsegment'}</span>
          {ended !== 'ok' && (
            <span className="outcome" data-outcome={ended}>
              {ended}
            </span>
          )}
          <span className="spacer" />
          <button type="button" className="toggle-button" aria-pressed={isRaw} onClick={() => setQuery({ raw: isRaw ? null : 'true' })}>
            Raw
          </button>
          <button type="button" className="quiet" onClick={() => setQuery({ segment: null })} aria-label="Close the details" title="Close (Esc)">
            <Icon name="close" />
          </button>
        </div>
        <h2>{each.name}</h2>
      </header>
      <div className="panel-body">{isRaw ? <Raw line={line} received={received} /> : <Said document={each} line={line} />}</div>
    </aside>
  );
}

function Said({ document: each, line }: { document: Document; line: Line }) {
  const annotations = Object.entries(each.annotations ?? {});
  const metadata = Object.entries(each.metadata ?? {}).flatMap(([namespace, entries]) => Object.entries(entries).map(([key, value]) => [`${namespace} › ${key}`, value] as const));
  const exceptions = typeof each.cause === 'object' ? (each.cause.exceptions ?? []) : [];
  const { request, response } = each.http ?? {};
  return (
    <>
      <dl className="facts">
        <div>
          <dt>Time</dt>
          <dd>
            <b>{each.end_time === undefined ? 'in progress' : duration((each.end_time - each.start_time) * 1e9)}</b>
          </dd>
        </div>
        <div>
          <dt>Start</dt>
          <dd>{clock(each.start_time * 1e9, Date.now())}</dd>
        </div>
        {each.namespace && (
          <div>
            <dt>Namespace</dt>
            <dd>{each.namespace}</dd>
          </div>
        )}
      </dl>
      {each.inferred && <p className="soft">This service sent nothing itself. X-Ray infers the segment from the subsegment that called it.</p>}
      {exceptions.length > 0 && (
        <section>
          <h3>Exceptions</h3>
          {exceptions.map((exception, at) => (
            <Thrown key={exception.id ?? at} exception={exception} />
          ))}
        </section>
      )}
      {typeof each.cause === 'string' && (
        <section>
          <h3>Exception</h3>
          <p className="soft">
            The one with the id <code>{each.cause}</code>, which another segment of this trace tells.
          </p>
        </section>
      )}
      {each.sql?.sanitized_query !== undefined && (
        <section>
          <h3>
            Query <Copy text={each.sql.sanitized_query} what="the query" />
          </h3>
          <pre className="sql" tabIndex={0}>
            <code>{each.sql.sanitized_query}</code>
          </pre>
        </section>
      )}
      <Table what="Request" entries={[...Object.entries(request ?? {}), ...Object.entries(response ?? {})]} />
      <Table what="SQL" entries={Object.entries(each.sql ?? {}).filter(([key]) => key !== 'sanitized_query')} />
      <section>
        <h3>Annotations</h3>
        {annotations.length === 0 && <p className="soft">None. Attributes that are not indexed are metadata.</p>}
        <dl className="entries">
          {annotations.map(([key, value]) => (
            <div key={key}>
              <dt>
                <Link to={`/xray?filter=${encodeURIComponent(both('', annotationFilter(key, valueOf(value))))}`} title="Find traces with this annotation">
                  {key}
                </Link>
              </dt>
              <dd>{String(value)}</dd>
            </div>
          ))}
        </dl>
      </section>
      <Table what="AWS" entries={Object.entries(each.aws ?? {})} />
      <Table
        what="Segment"
        entries={[
          ['id', each.id],
          ['parent id', each.parent_id ?? (line.isSegment ? undefined : 'embedded')],
          ['origin', each.origin],
          ['user', each.user],
          ['of segment', line.isSegment ? undefined : line.segment.name],
        ]}
      />
      <Table what="Metadata" entries={metadata} />
    </>
  );
}

function Thrown({ exception }: { exception: Exception }) {
  const frames = exception.stack ?? [];
  return (
    <div className="span-event" data-exception="true">
      <p>
        <b>{exception.type ?? 'Exception'}</b>
        {exception.remote && <span className="soft">remote</span>}
      </p>
      {exception.message && <p>{exception.message}</p>}
      {frames.length > 0 && (
        <details>
          <summary>Stack</summary>
          <pre tabIndex={0}>{frames.map(({ label, path, line }) => `${label ?? '?'}\n    ${path ?? ''}${line === undefined ? '' : `:${line}`}`).join('\n')}</pre>
        </details>
      )}
    </div>
  );
}

function Table({ what, entries }: { what: string; entries: readonly (readonly [string, unknown])[] }) {
  const said = entries.filter(([, value]) => value !== undefined && value !== null);
  if (said.length === 0) return null;
  return (
    <section>
      <h3>{what}</h3>
      <dl className="entries">
        {said.map(([key, value]) => {
          const text = typeof value === 'string' ? value : JSON.stringify(value);
          return (
            <div key={key}>
              <dt>{key}</dt>
              <dd>
                {text}
                <Copy text={text} what={key} />
              </dd>
            </div>
          );
        })}
      </dl>
    </section>
  );
}

/** The document as X-Ray put it together, and those that arrived, as they arrived. */
function Raw({ line, received }: { line: Line; received: readonly Received[] }) {
  const put = JSON.stringify(line.document, null, 2);
  const own = received.filter(({ id }) => id === line.document.id);
  // A subsegment comes by itself, or within its segment.
  const arrived = own.length > 0 || line.isSegment ? own : received.filter(({ id }) => id === line.segment.id);
  return (
    <>
      {arrived.map(({ document: each, received_unix_nano, in_progress }, at) => (
        <section key={at}>
          <h3>
            {own.length > 0 ? 'As received' : 'As received, within its segment'} <Copy text={JSON.stringify(each)} what="the document as received" />
          </h3>
          <p className="soft">
            at {clock(received_unix_nano, Date.now())}
            {in_progress ? ', in progress' : ''}
          </p>
          <pre className="raw" tabIndex={0}>
            {JSON.stringify(each, null, 2)}
          </pre>
        </section>
      ))}
      <section>
        <h3>
          As BatchGetTraces answers <Copy text={put} what="the document" />
        </h3>
        {arrived.length === 0 && (
          <p className="soft">{line.document.inferred ? 'Inferred: no document arrived.' : 'No document of it arrived: it is the translation of a span that came by OTLP.'}</p>
        )}
        <pre className="raw" tabIndex={0}>
          {put}
        </pre>
      </section>
    </>
  );
}

function valueOf(value: string | number | boolean): AnnotationValue {
  return typeof value === 'string' ? { StringValue: value } : typeof value === 'number' ? { NumberValue: value } : { BooleanValue: value };
}
