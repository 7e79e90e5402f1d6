import '../logs/lines.css';

import { useEffect, useMemo, useState } from 'react';

import { getJson, postJson, useAsked } from '../shared/ask';
import { hue } from '../shared/colours';
import { ago, clock, count, plural } from '../shared/format';
import { useKeys } from '../shared/keys';
import { Link } from '../shared/Link';
import { setQuery } from '../shared/location';
import { isNotHere, NotHere } from '../shared/NotHere';
import { StatusBadge } from './StatusBadge';
import type { ErrorGroup, GroupPage } from './model';

const PAGE = 100;
const TABS = [
  { status: 'active', name: 'Active' },
  { status: 'resolved', name: 'Resolved' },
  { status: 'all', name: 'All' },
] as const;

export function ErrorList({ address }: { address: string }) {
  const query = useMemo(() => new URL(address, location.origin).searchParams, [address]);
  const status = TABS.find((tab) => tab.status === query.get('status'))?.status ?? 'active';
  const service = query.get('service') ?? '';
  const words = (query.get('q') ?? '').toLowerCase();
  const [limit, setLimit] = useState(PAGE);
  const [changed, setChanged] = useState(0);
  const { answer, failure } = useAsked(
    JSON.stringify([status, service, limit, changed]),
    (signal) => getJson<GroupPage>(`/api/errors?${new URLSearchParams({ status, limit: String(limit), ...(service && { service }) })}`, signal),
    true,
  );
  const groups = (answer?.groups ?? []).filter(({ title, context, service: from }) => `${title} ${context ?? ''} ${from ?? ''}`.toLowerCase().includes(words));
  const services = useServices(answer?.groups ?? [], service);

  useEffect(() => {
    document.title = 'Errors · Throughline';
  }, []);
  useKeys({
    j: () => step(1),
    k: () => step(-1),
    ArrowDown: () => step(1),
    ArrowUp: () => step(-1),
    r: () => {
      const id = (document.activeElement as HTMLElement | null)?.dataset['error'];
      const group = groups.find((each) => each.id === id);
      if (group) void setStatus(group).then(() => setChanged(changed + 1));
    },
    Escape: () => setQuery({ q: null }),
  });

  if (failure && isNotHere(failure)) return <NotHere view="Errors" failure={failure} />;
  return (
    <main className="errors">
      <div className="toolbar">
        <h1>Errors</h1>
        <div className="segmented" role="group" aria-label="Status">
          {TABS.map((tab) => (
            <button key={tab.status} type="button" className="toggle-button" aria-pressed={tab.status === status} onClick={() => setQuery({ status: tab.status === 'active' ? null : tab.status })}>
              {tab.name}
            </button>
          ))}
        </div>
        <label>
          <span className="hidden">Service</span>
          <select value={service} onChange={(event) => setQuery({ service: event.target.value })}>
            <option value="">Every service</option>
            {services.map((each) => (
              <option key={each}>{each}</option>
            ))}
          </select>
        </label>
        <input data-search type="text" className="errors-find" value={query.get('q') ?? ''} placeholder="Find in titles and routes" aria-label="Find an error" spellCheck={false} onChange={(event) => setQuery({ q: event.target.value })} />
        <span className="spacer" />
        {failure && (
          <span className="bad" role="alert">
            {failure.title}. {failure.detail}
          </span>
        )}
      </div>
      <div className="error-list" aria-busy={answer === null}>
        {groups.length > 0 && (
          <div className="error-row error-head" aria-hidden="true">
            <span>Error</span>
            <span className="number">Times</span>
            <span className="number">People</span>
            <span>Last seen</span>
            <span>First seen</span>
            <span />
          </div>
        )}
        <ul>
          {groups.map((group) => (
            <li key={group.id}>
              <Row group={group} onChanged={() => setChanged(changed + 1)} />
            </li>
          ))}
        </ul>
        {answer !== null && groups.length === 0 && <Nothing status={status} isFiltered={words !== '' || service !== ''} />}
        {answer?.next != null && (
          <p className="older">
            <button type="button" className="button" onClick={() => setLimit(limit + PAGE)}>
              Older
            </button>
          </p>
        )}
      </div>
    </main>
  );
}

function Row({ group, onChanged }: { group: ErrorGroup; onChanged: () => void }) {
  const now = Date.now();
  return (
    <div className="error-row" data-level={group.level} data-status={group.status}>
      <Link to={`/errors/${group.id}`} className="error-title" data-error={group.id}>
        <span className="error-line">
          <StatusBadge status={group.status} />
          {group.level !== 'error' && <span className="error-level">{group.level}</span>}
          <b>{group.title}</b>
        </span>
        <span className="error-where">
          {group.service !== null && <span className={`chip ${hue(group.service)}`}>{group.service}</span>}
          {group.context}
          {group.environment && <span className="soft">{group.environment}</span>}
        </span>
      </Link>
      <span className="number">
        <b>{count(group.count)}</b>
      </span>
      <span className="number">{group.people > 0 ? count(group.people) : ''}</span>
      <time title={clock(group.last_seen_unix_nano, now)}>{ago(group.last_seen_unix_nano, now)}</time>
      <time title={clock(group.first_seen_unix_nano, now)}>{ago(group.first_seen_unix_nano, now)}</time>
      <span className="error-acts">
        {group.last_trace_id !== null && <Link to={`/trace/${group.last_trace_id}`}>Trace</Link>}
        <button type="button" className="link" onClick={() => void setStatus(group).then(onChanged)}>
          {group.status === 'resolved' ? 'Reopen' : 'Resolve'}
        </button>
      </span>
    </div>
  );
}

function Nothing({ status, isFiltered }: { status: string; isFiltered: boolean }) {
  return (
    <div className="empty">
      {isFiltered ? (
        <p>
          No error matches.{' '}
          <button type="button" className="link" onClick={() => setQuery({ q: null, service: null })}>
            Show all
          </button>
        </p>
      ) : status === 'active' ? (
        <p>No open errors. Items come from any Rollbar SDK whose endpoint is this address; the set-up page shows how.</p>
      ) : (
        <p>Nothing here yet.</p>
      )}
    </div>
  );
}

/** Resolves what is open, and opens what is resolved. */
export async function setStatus({ id, status }: ErrorGroup): Promise<void> {
  await postJson(`/api/errors/${id}`, { status: status === 'resolved' ? 'active' : 'resolved' });
}

/** A filter must not take away the others' names. */
function useServices(groups: readonly ErrorGroup[], chosen: string): readonly string[] {
  const [seen] = useState(() => new Set<string>());
  if (chosen) seen.add(chosen);
  for (const { service } of groups) if (service !== null) seen.add(service);
  return [...seen].sort();
}

function step(by: 1 | -1): void {
  const rows = [...document.querySelectorAll<HTMLElement>('a.error-title')];
  const at = rows.indexOf(document.activeElement as HTMLElement);
  (at === -1 ? rows[0] : rows[at + by])?.focus();
}

export function people(value: number): string {
  return value === 1 ? '1 person' : plural(value, 'person').replace('persons', 'people');
}
