import { useMemo } from 'react';

import { count, duration } from '../shared/format';
import { setQuery } from '../shared/location';
import { refine, refiners } from './model';
import type { TraceSummary } from './model';

const MOST_ROWS = 12;

/** What the listed traces have in common, by one property at a time; a click narrows the list to a value. */
export function Refine({ traces, wanted, onFilter }: { traces: readonly TraceSummary[]; wanted: string | null; onFilter: (expression: string) => void }) {
  const known = useMemo(() => refiners(traces), [traces]);
  const chosen = known.find(({ name }) => name === wanted) ?? known[0];
  const rows = useMemo(() => (chosen ? refine(traces, chosen) : []), [traces, chosen]);
  if (!chosen) return null;
  return (
    <section className="refine">
      <label>
        <span>Refine by</span>
        <select value={chosen.name} onChange={(event) => setQuery({ by: event.target.value })}>
          {known.map(({ name }) => (
            <option key={name}>{name}</option>
          ))}
        </select>
      </label>
      <ul>
        {rows.slice(0, MOST_ROWS).map(({ value, count: times, average, failed, filter }) => (
          <li key={value}>
            <button type="button" title={`${value}\nadds ${filter}`} onClick={() => onFilter(filter)}>
              <span className="refine-value">
                <bdi>{value || '(empty)'}</bdi>
              </span>
              {failed > 0 && <span className="refine-failed" title={`${count(failed)} did not end well`}>{count(failed)}</span>}
              <span className="refine-time">{duration(average)}</span>
              <b>{count(times)}</b>
              <i style={{ width: `${(100 * times) / traces.length}%` }} />
            </button>
          </li>
        ))}
      </ul>
      {rows.length > MOST_ROWS && <p className="soft">and {count(rows.length - MOST_ROWS)} more</p>}
    </section>
  );
}
