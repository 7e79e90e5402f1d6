import { count, duration } from '../shared/format';
import { setQuery } from '../shared/location';
import { Icon } from '../shared/marks';
import { average, edgeFilter, outcomes, percentile, serviceFilter } from './model';
import type { Bar, Graph, Outcome, Service, Statistics } from './model';
import { ORDER } from './TraceMap';
import type { Chosen } from './TraceMap';

interface Props {
  readonly graph: Graph;
  readonly chosen: NonNullable<Chosen>;
  readonly minutes: number;
  readonly onFilter: (expression: string) => void;
  readonly onChoose: (chosen: Chosen) => void;
}

/** A node or a call of the map: its numbers, and the filter expressions that lead to its traces. */
export function Details({ graph, chosen, minutes, onFilter, onChoose }: Props) {
  const of = (id: number) => graph.Services.find(({ ReferenceId }) => ReferenceId === id);
  if ('from' in chosen) {
    const [from, to] = [of(chosen.from), of(chosen.to)];
    const edge = from?.Edges.find(({ ReferenceId }) => ReferenceId === chosen.to);
    if (!from || !to || !edge) return null;
    const isEntry = from.Type === 'client';
    return (
      <aside className="map-details" aria-label="Details of the call">
        <Head title={isEntry ? `client → ${to.Name}` : `${from.Name} → ${to.Name}`} kind="as the caller sees it" />
        <Numbers statistics={edge.SummaryStatistics} histogram={edge.ResponseTimeHistogram} minutes={graph.IsPartial ? null : minutes} />
        <Outcomes statistics={edge.SummaryStatistics} filter={(only) => (isEntry ? serviceFilter(to, only) : only === undefined ? edgeFilter(from, to) : `${edgeFilter(from, to)} { ${only} }`)} onFilter={onFilter} />
        <Histogram bars={edge.ResponseTimeHistogram} />
      </aside>
    );
  }
  const service = of(chosen.node);
  if (!service?.SummaryStatistics) return null;
  const callers = graph.Services.filter(({ Edges, Type }) => Type !== 'client' && Edges.some(({ ReferenceId }) => ReferenceId === service.ReferenceId));
  const callees = service.Edges.map(({ ReferenceId }) => of(ReferenceId)).filter((each) => each !== undefined);
  const kind = service.Type ?? (service.State === 'active' ? 'reports itself' : 'inferred');
  return (
    <aside className="map-details" aria-label={`Details of ${service.Name}`}>
      <Head title={service.Name} kind={service.State === 'active' ? kind : `${kind} · inferred from calls to it`} />
      <Numbers statistics={service.SummaryStatistics} histogram={service.ResponseTimeHistogram ?? []} minutes={graph.IsPartial ? null : minutes} />
      <Outcomes statistics={service.SummaryStatistics} filter={(only) => serviceFilter(service, only)} onFilter={onFilter} />
      <Histogram bars={service.ResponseTimeHistogram ?? []} />
      <Neighbours what="Called by" of={callers} onChoose={onChoose} />
      <Neighbours what="Calls" of={callees} onChoose={onChoose} />
    </aside>
  );
}

function Head({ title, kind }: { title: string; kind: string }) {
  return (
    <header>
      <div>
        <h3>{title}</h3>
        <p className="soft">{kind}</p>
      </div>
      <button type="button" className="quiet" aria-label="Close the details" title="Close (Esc)" onClick={() => setQuery({ node: null })}>
        <Icon name="close" />
      </button>
    </header>
  );
}

function Numbers({ statistics, histogram, minutes }: { statistics: Statistics; histogram: readonly Bar[]; minutes: number | null }) {
  // Of a part of the traces there is no rate.
  const rate = minutes === null ? null : statistics.TotalCount / minutes;
  return (
    <dl className="facts">
      <div>
        <dt>Average</dt>
        <dd>
          <b>{duration(average(statistics))}</b>
        </dd>
      </div>
      {([50, 95, 99] as const).map((share) => (
        <div key={share}>
          <dt>p{share}</dt>
          <dd>{duration(percentile(histogram, share / 100))}</dd>
        </div>
      ))}
      {rate !== null && (
        <div title={`${count(statistics.TotalCount)} in the time shown`}>
          <dt>A minute</dt>
          <dd>{rate >= 10 ? count(Math.round(rate)) : rate.toFixed(1)}</dd>
        </div>
      )}
    </dl>
  );
}

/** How requests ended; each count is a way to the traces behind it. */
function Outcomes({ statistics, filter, onFilter }: { statistics: Statistics; filter: (only?: Outcome) => string; onFilter: (expression: string) => void }) {
  const counts = outcomes(statistics);
  return (
    <ul className="map-outcomes">
      {ORDER.map((each) => (
        <li key={each}>
          <button type="button" disabled={counts[each] === 0} title={filter(each)} onClick={() => onFilter(filter(each))}>
            <i data-outcome={each} />
            <b>{count(counts[each])}</b> {each === 'ok' ? 'ok' : `${each}${counts[each] === 1 ? '' : 's'}`}
            <small>{statistics.TotalCount > 0 && counts[each] > 0 ? `${((100 * counts[each]) / statistics.TotalCount).toFixed(counts[each] === statistics.TotalCount ? 0 : 1)} %` : ''}</small>
          </button>
        </li>
      ))}
      <li>
        <button type="button" title={filter()} onClick={() => onFilter(filter())}>
          <Icon name="search" /> all traces through here
        </button>
      </li>
    </ul>
  );
}

const MOST_BARS = 40;

/** How many took how long; X-Ray counts by milliseconds. */
function Histogram({ bars }: { bars: readonly Bar[] }) {
  if (bars.length === 0) return null;
  const longest = Math.max(...bars.map(({ Value }) => Value), 0.001);
  const columns = Array.from({ length: MOST_BARS }, () => 0);
  for (const { Value, Count } of bars) columns[Math.min(Math.floor((Value / longest) * MOST_BARS), MOST_BARS - 1)]! += Count;
  const tallest = Math.max(...columns);
  return (
    <figure className="map-histogram">
      <svg viewBox={`0 0 ${MOST_BARS * 6} 48`} preserveAspectRatio="none" role="img" aria-label="How long requests took">
        {columns.map((each, at) => each > 0 && <rect key={at} x={at * 6} width="5" y={48 - Math.max((46 * each) / tallest, 1.5)} height={Math.max((46 * each) / tallest, 1.5)} />)}
      </svg>
      <figcaption>
        <span>0</span>
        <span>{duration((longest * 1e9) / 2)}</span>
        <span>{duration(longest * 1e9)}</span>
      </figcaption>
    </figure>
  );
}

function Neighbours({ what, of, onChoose }: { what: string; of: readonly Service[]; onChoose: (chosen: Chosen) => void }) {
  if (of.length === 0) return null;
  return (
    <p className="map-neighbours">
      <span className="soft">{what}</span>
      {of.map(({ ReferenceId, Name }) => (
        <button key={ReferenceId} type="button" className="link" onClick={() => onChoose({ node: ReferenceId })}>
          {Name}
        </button>
      ))}
    </p>
  );
}
