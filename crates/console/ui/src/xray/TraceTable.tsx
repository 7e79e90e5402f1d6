import { useMemo } from 'react';

import { ago, clock, duration } from '../shared/format';
import { Link } from '../shared/Link';
import { setQuery } from '../shared/location';
import { outcomeOf } from './model';
import type { TraceSummary } from './model';

const COLUMNS = [
  { key: 'time', name: 'Time' },
  { key: 'outcome', name: 'Ended' },
  { key: 'request', name: 'Request' },
  { key: 'entry', name: 'Entry' },
  { key: 'response', name: 'Response time' },
  { key: 'duration', name: 'Duration' },
  { key: 'user', name: 'User' },
] as const;
type Column = (typeof COLUMNS)[number]['key'];

const RANK = { fault: 0, throttle: 1, error: 2, ok: 3 } as const;

const COMPARE: Readonly<Record<Column, (a: TraceSummary, b: TraceSummary) => number>> = {
  time: (a, b) => b.StartTime - a.StartTime,
  outcome: (a, b) => RANK[outcomeOf(a)] - RANK[outcomeOf(b)],
  request: (a, b) => text(requestOf(a)).localeCompare(text(requestOf(b))),
  entry: (a, b) => text(a.EntryPoint?.Name).localeCompare(text(b.EntryPoint?.Name)),
  response: (a, b) => b.ResponseTime - a.ResponseTime,
  duration: (a, b) => b.Duration - a.Duration,
  user: (a, b) => text(b.Users[0]?.UserName).localeCompare(text(a.Users[0]?.UserName)),
};

export function TraceTable({ traces, sort }: { traces: readonly TraceSummary[]; sort: string | null }) {
  const column = COLUMNS.find(({ key }) => key === sort)?.key ?? 'time';
  const sorted = useMemo(() => [...traces].sort((a, b) => COMPARE[column](a, b) || COMPARE.time(a, b)), [traces, column]);
  const now = Date.now();
  const longest = Math.max(1e-6, ...traces.map(({ ResponseTime }) => ResponseTime));
  return (
    <table className="xray-table">
      <thead>
        <tr>
          {COLUMNS.map(({ key, name }) => (
            <th key={key} scope="col" {...(key === column && { 'aria-sort': 'descending' as const })}>
              <button type="button" onClick={() => setQuery({ sort: key === 'time' ? null : key })}>
                {name}
              </button>
            </th>
          ))}
        </tr>
      </thead>
      <tbody>
        {sorted.map((trace) => {
          const ended = outcomeOf(trace);
          const { Http } = trace;
          return (
            <tr key={trace.Id} data-outcome={ended}>
              <td title={ago(trace.StartTime * 1e9, now)}>
                <Link to={`/xray/${trace.Id}`}>{clock(trace.StartTime * 1e9, now)}</Link>
              </td>
              <td>
                <i data-outcome={ended} />
                {ended}
                {trace.IsPartial && <em title="Something still runs, or a subsegment came without its segment"> partial</em>}
              </td>
              <td className="xray-request" title={Http.HttpURL}>
                {Http.HttpStatus !== undefined && (
                  <span className="status" data-bad={Http.HttpStatus >= 500} data-fine={Http.HttpStatus < 400}>
                    {Http.HttpStatus}
                  </span>
                )}{' '}
                {requestOf(trace) ?? <span className="soft">no HTTP</span>}
              </td>
              <td>{trace.EntryPoint?.Name}</td>
              <td className="xray-time">
                <span className="track">
                  <i style={{ width: `${(100 * trace.ResponseTime) / longest}%` }} data-outcome={ended} />
                </span>
                {duration(trace.ResponseTime * 1e9)}
              </td>
              <td className="number">{duration(trace.Duration * 1e9)}</td>
              <td>{trace.Users.map(({ UserName }) => UserName).join(', ')}</td>
            </tr>
          );
        })}
      </tbody>
    </table>
  );
}

/** `GET /api/activities/home`: the host is the entry's. */
function requestOf({ Http }: TraceSummary): string | null {
  if (Http.HttpURL === undefined) return null;
  const path = URL.canParse(Http.HttpURL) ? new URL(Http.HttpURL).pathname + new URL(Http.HttpURL).search : Http.HttpURL;
  return `${Http.HttpMethod ?? ''} ${path}`.trim();
}

function text(value: string | null | undefined): string {
  return value ?? '';
}
