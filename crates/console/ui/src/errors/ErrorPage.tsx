import { useEffect, useMemo, useState } from 'react';

import { Lines } from '../logs/Lines';
import type { LogPage } from '../logs/model';
import { getJson, useAsked } from '../shared/ask';
import { hue } from '../shared/colours';
import { Copy, copyText } from '../shared/Copy';
import { ago, clock, count } from '../shared/format';
import { useKeys } from '../shared/keys';
import { Link } from '../shared/Link';
import { isNotHere, NotHere } from '../shared/NotHere';
import { navigate, setQuery } from '../shared/location';
import { Icon } from '../shared/marks';
import type { Value } from '../shared/shapes';
import { people, setStatus } from './ErrorList';
import { asText, peopleOf, personText, summary } from './model';
import type { ErrorDetails, ErrorGroup, Occurrence } from './model';
import { Stack } from './Stack';
import { StatusBadge } from './StatusBadge';

const PAGE = 20;

export function ErrorPage({ id, address }: { id: string; address: string }) {
  const query = useMemo(() => new URL(address, location.origin).searchParams, [address]);
  const [limit, setLimit] = useState(PAGE);
  const [changed, setChanged] = useState(0);
  const { answer, failure } = useAsked(JSON.stringify([id, limit, changed]), (signal) => getJson<ErrorDetails>(`/api/errors/${encodeURIComponent(id)}?limit=${limit}`, signal), true);
  const wanted = query.get('occurrence');
  const chosen = answer?.occurrences.find(({ uuid }) => uuid === wanted) ?? answer?.occurrences[0];

  const toggle = () => answer && void setStatus(answer.group).then(() => setChanged(changed + 1));
  const move = (by: number) => {
    const all = answer?.occurrences ?? [];
    const at = all.findIndex((each) => each === chosen);
    const next = all[Math.min(Math.max(at + by, 0), all.length - 1)];
    if (next) setQuery({ occurrence: next.uuid });
  };
  useEffect(() => {
    document.title = answer ? `${answer.group.title} · Throughline` : 'Error · Throughline';
  }, [answer]);
  useKeys({
    j: () => move(1),
    ArrowDown: () => move(1),
    k: () => move(-1),
    ArrowUp: () => move(-1),
    r: () => toggle(),
    t: () => chosen?.trace_id && navigate(traceOf(chosen)),
    y: () => answer && chosen && void copyText(asText(answer.group, chosen, location.origin)),
    Escape: () => navigate('/errors'),
  });

  if (failure && isNotHere(failure)) return <NotHere view="Errors" failure={failure} />;
  if (answer === null) {
    return (
      <main className="note">
        {failure && (
          <>
            <h1>{failure.title}</h1>
            <p>{failure.detail}</p>
          </>
        )}
        <p>
          <Link to="/errors">All errors</Link>
        </p>
      </main>
    );
  }
  const { group, occurrences, deploys } = answer;
  return (
    <main className="errors error-page">
      <Header group={group} onToggle={toggle} chosen={chosen} />
      <div className="error-body">
        <aside aria-label="Occurrences">
          <h2>Occurrences</h2>
          <ul className="occurrences">
            {occurrences.map((each) => (
              <li key={each.uuid}>
                <button type="button" aria-pressed={each === chosen} onClick={() => setQuery({ occurrence: each.uuid })}>
                  <time title={ago(each.time_unix_nano, Date.now())}>{clock(each.time_unix_nano, Date.now())}</time>
                  <span>{personText(each.person) ?? ''}</span>
                  {each.trace_id !== null && <Icon name="link" />}
                </button>
              </li>
            ))}
          </ul>
          {answer.next != null && (
            <p>
              <button type="button" className="button" onClick={() => setLimit(Math.min(limit + PAGE, 100))}>
                Older
              </button>
            </p>
          )}
          <People occurrences={occurrences} all={group.people} />
          {deploys.length > 0 && (
            <>
              <h2>Deploys</h2>
              <ul className="deploys">
                {deploys.slice(0, 5).map(({ id: deploy, revision, status, user, time_unix_nano }) => (
                  <li key={deploy}>
                    <code>{revision.slice(0, 12)}</code>
                    <span className="soft">
                      {status}
                      {user ? ` · ${user}` : ''} · {ago(time_unix_nano, Date.now())}
                    </span>
                  </li>
                ))}
              </ul>
            </>
          )}
        </aside>
        {chosen ? <Details key={chosen.uuid} occurrence={chosen} /> : <p className="empty">No occurrence is kept; the count stays.</p>}
      </div>
    </main>
  );
}

function Header({ group, chosen, onToggle }: { group: ErrorGroup; chosen: Occurrence | undefined; onToggle: () => void }) {
  const now = Date.now();
  return (
    <header className="trace-header error-header">
      <div className="trace-title">
        <Link to="/errors" className="quiet" aria-label="All errors" title="All errors (Esc)">
          <Icon name="back" />
        </Link>
        {group.service !== null && <span className={`chip ${hue(group.service)}`}>{group.service}</span>}
        <h1 title={group.title}>{group.title}</h1>
        <StatusBadge status={group.status} />
        <button type="button" className="button" onClick={onToggle}>
          {group.status === 'resolved' ? 'Reopen' : 'Resolve'} <kbd>r</kbd>
        </button>
        {chosen?.trace_id != null && (
          <Link to={traceOf(chosen)} className="button">
            Trace <kbd>t</kbd>
          </Link>
        )}
        {chosen && (
          <Copy text={asText(group, chosen, location.origin)} what="this error as text, for a colleague or an assistant">
            Copy
          </Copy>
        )}
      </div>
      <dl className="facts">
        <div>
          <dt>Times</dt>
          <dd>
            <b>{count(group.count)}</b>
          </dd>
        </div>
        <div>
          <dt>People</dt>
          <dd>{count(group.people)}</dd>
        </div>
        <div title={clock(group.first_seen_unix_nano, now)}>
          <dt>First seen</dt>
          <dd>{ago(group.first_seen_unix_nano, now)}</dd>
        </div>
        <div title={clock(group.last_seen_unix_nano, now)}>
          <dt>Last seen</dt>
          <dd>{ago(group.last_seen_unix_nano, now)}</dd>
        </div>
        <div>
          <dt>Level</dt>
          <dd>{group.level}</dd>
        </div>
        {group.context && (
          <div>
            <dt>Where</dt>
            <dd>{group.context}</dd>
          </div>
        )}
        {group.environment && (
          <div>
            <dt>Environment</dt>
            <dd>{group.environment}</dd>
          </div>
        )}
        <div>
          <dt>Fingerprint</dt>
          <dd>
            <Copy text={group.fingerprint} what="the fingerprint">
              <code>{group.fingerprint.slice(0, 12)}</code>
            </Copy>
          </dd>
        </div>
      </dl>
    </header>
  );
}

function People({ occurrences, all }: { occurrences: readonly Occurrence[]; all: number }) {
  const found = peopleOf(occurrences);
  if (all === 0) return null;
  return (
    <>
      <h2>{people(all)}</h2>
      <ul className="people">
        {found.slice(0, 10).map(({ person, count: times }) => (
          <li key={person}>
            <span>{person}</span>
            <b>{count(times)}</b>
          </li>
        ))}
        {all > found.length && <li className="soft">and {count(all - found.length)} in older occurrences</li>}
      </ul>
    </>
  );
}

function Details({ occurrence }: { occurrence: Occurrence }) {
  const { request, custom, server, telemetry } = occurrence;
  return (
    <section className="occurrence" aria-label="Occurrence">
      <p className="occurrence-facts">
        <span>{clock(occurrence.time_unix_nano, Date.now())}</span>
        {occurrence.code_version && (
          <span>
            version <code>{occurrence.code_version}</code>
          </span>
        )}
        {personText(occurrence.person_details ?? occurrence.person) && <span>person {personText(occurrence.person_details ?? occurrence.person)}</span>}
        {occurrence.trace_id !== null && <Link to={traceOf(occurrence)}>trace {occurrence.trace_id.slice(0, 8)}…</Link>}
        {occurrence.trace_id !== null && <Link to={`/logs?trace_id=${occurrence.trace_id}`}>its log lines</Link>}
      </p>
      {occurrence.trace_chain.length > 0 ? <Stack chain={occurrence.trace_chain} /> : <p className="thrown-what">{summary(occurrence)}</p>}
      {occurrence.trace_chain.length > 0 && occurrence.message && <p>{occurrence.message}</p>}
      <LogsAround occurrence={occurrence} />
      <Table what="Request" of={request} />
      <Table what="Custom" of={custom} />
      {telemetry !== undefined && telemetry.length > 0 && <Telemetry events={telemetry} />}
      <Table what="Server" of={server ?? null} />
    </section>
  );
}

/** Lines of the same trace, or where there is none those of the moment; how far from the error is told where its time is not in whole seconds, as Rollbar's are. */
function LogsAround({ occurrence: { trace_id, time_unix_nano } }: { occurrence: Occurrence }) {
  const query = trace_id === null ? `start=${time_unix_nano - AROUND_NS}&end=${time_unix_nano + AROUND_NS}` : `trace_id=${trace_id}`;
  const { answer } = useAsked(query, (signal) => getJson<LogPage>(`/api/logs?${query}&limit=200`, signal), false);
  const [opened, setOpened] = useState<string | null>(null);
  if (!answer || answer.events.length === 0) return null;
  const lines = [...answer.events].reverse();
  return (
    <section className="logs-around">
      <h2>
        {trace_id === null ? 'Log lines of the moment' : 'Log lines of the trace'} <Link to={`/logs?${query}`}>all</Link>
      </h2>
      <Lines events={lines} words={[]} opened={opened} onOpen={setOpened} {...(time_unix_nano % 1e9 !== 0 && { at: time_unix_nano })} />
    </section>
  );
}

const AROUND_NS = 2e9;

function Table({ what, of }: { what: string; of: Value }) {
  if (typeof of !== 'object' || of === null || Array.isArray(of)) return null;
  const entries = Object.entries(of as Readonly<Record<string, Value>>);
  if (entries.length === 0) return null;
  return (
    <section>
      <h2>{what}</h2>
      <dl className="entries">
        {entries.map(([key, value]) => {
          const text = typeof value === 'string' ? value : JSON.stringify(value, null, 1);
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

/** What led to it, as rollbar.js records it in a browser. */
function Telemetry({ events }: { events: readonly Value[] }) {
  return (
    <section>
      <h2>What led to it</h2>
      <ol className="telemetry">
        {events.map((event, at) => {
          const { type, level, timestamp_ms, body } = (typeof event === 'object' && event !== null && !Array.isArray(event) ? event : {}) as Readonly<Record<string, Value>>;
          return (
            <li key={at} data-level={String(level ?? '')}>
              <time>{typeof timestamp_ms === 'number' ? clock(timestamp_ms * 1e6, Date.now()) : ''}</time>
              <b>{String(type ?? '')}</b>
              <code>{JSON.stringify(body ?? event)}</code>
            </li>
          );
        })}
      </ol>
    </section>
  );
}

function traceOf({ trace_id, span_id }: Occurrence): string {
  return `/trace/${trace_id}${span_id ? `?span=${span_id}&logs=${span_id}` : ''}`;
}
