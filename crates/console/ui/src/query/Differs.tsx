import { count } from '../shared/format';
import { Link } from '../shared/Link';
import { Icon } from '../shared/marks';
import { useAsked, wordsOf } from '../shared/ask';
import { compare, runQuery } from './calls';
import type { Comparison, Row, Share } from './calls';
import { amount, timeLabel } from './chart';
import { onceEach, percent, rank, telling } from './rank';
import { filterOf, filtersOf } from './spec';
import type { Box, Filter, Spec } from './spec';

interface Props {
  readonly spec: Spec;
  readonly dataset: string | null;
  readonly box: Box;
  /** The time that the query covered when it was asked, so that the comparison is of the same. */
  readonly shown: { readonly start: number; readonly end: number };
  readonly onFilter: (filters: readonly Filter[]) => void;
  readonly onBreakdown: (column: string) => void;
  readonly onZoom: (start: number, end: number) => void;
  readonly onClose: () => void;
}

/** Columns shown: those after them hardly differ. */
const MOST_COLUMNS = 24;

/** What is different inside of a box, the clearest first. A click makes it a condition. */
export function Differs({ spec, dataset, box, shown, onFilter, onBreakdown, onZoom, onClose }: Props) {
  const within: Spec = { ...withoutTime(spec), start_time: shown.start, end_time: shown.end };
  const key = JSON.stringify([spec.filters, spec.filter_combination, spec.calculated_fields, dataset, box]);
  const { answer, failure, isAsking } = useAsked(key, (signal) => compare(within, dataset, box, signal), false);
  const only = () => onFilter([{ column: box.column, op: '>=', value: round(box.min) }, { column: box.column, op: '<', value: round(box.max) }]);
  return (
    <aside className="differs" aria-label="What differs" aria-busy={isAsking}>
      <header>
        <h2>What differs in the box</h2>
        <button type="button" className="quiet" aria-label="Close" title="Close (Esc)" onClick={onClose}>
          <Icon name="close" />
        </button>
      </header>
      <p className="differs-box">
        <code>{box.column}</code> {amount(box.min, box.column)} – {amount(box.max, box.column)}, {timeLabel(box.start, 1)} – {timeLabel(box.end, 1)}
      </p>
      {answer && (
        <p className="differs-sides">
          <span className="inside">
            <b>{count(answer.inside)}</b> inside
          </span>
          <span className="outside">
            <b>{count(answer.outside)}</b> outside
          </span>
        </p>
      )}
      <p className="differs-tools">
        <button type="button" className="link" onClick={only}>
          Only these values
        </button>
        <button type="button" className="link" onClick={() => onZoom(box.start, box.end)}>
          Zoom to this time
        </button>
      </p>
      {failure && (
        <p className="bad" role="alert">
          {wordsOf(failure)}
        </p>
      )}
      <Inside spec={within} dataset={dataset} box={box} />
      {answer && <Columns comparison={answer} onFilter={onFilter} onBreakdown={onBreakdown} />}
    </aside>
  );
}

function Columns({ comparison, onFilter, onBreakdown }: { comparison: Comparison; onFilter: Props['onFilter']; onBreakdown: Props['onBreakdown'] }) {
  const ranked = rank(comparison.columns).slice(0, MOST_COLUMNS);
  if (comparison.inside === 0) return <p className="soft">No span is in the box.</p>;
  if (comparison.outside === 0) return <p className="soft">Every span is in the box: there is nothing to compare with.</p>;
  return (
    <ol>
      {ranked.map((difference) => (
        <li key={difference.column} className="difference">
          <h3>
            <code title={difference.column}>{difference.column}</code>
            <button type="button" className="link" title={`Group by ${difference.column}`} onClick={() => onBreakdown(difference.column)}>
              group by
            </button>
          </h3>
          <ul>
            {telling(difference).map((share) => (
              <Value key={JSON.stringify(share.value)} column={difference.column} share={share} onFilter={onFilter} />
            ))}
          </ul>
        </li>
      ))}
    </ol>
  );
}

function Value({ column, share, onFilter }: { column: string; share: Share; onFilter: Props['onFilter'] }) {
  const { value, below, inside, outside } = share;
  const words = value === null ? 'none' : below === undefined ? String(value) : `${amount(Number(value), column)} – ${amount(below, column)}`;
  return (
    <li>
      <button type="button" className="difference-value" title={`Only ${column} = ${words}: ${percent(inside)} inside, ${percent(outside)} outside`} onClick={() => onFilter(filtersOf(column, share))}>
        <span>{value === null ? <em>none</em> : words}</span>
        <small>
          <b>{percent(inside)}</b> {percent(outside)}
        </small>
        <i className="inside" style={{ width: `${100 * inside}%` }} />
        <i className="outside" style={{ width: `${100 * outside}%` }} />
      </button>
      {below === undefined && (
        <button type="button" className="not" title="Without these" aria-label={`Without ${column} = ${words}`} onClick={() => onFilter([filterOf(column, value, '!=')])}>
          ≠
        </button>
      )}
    </li>
  );
}

/** The traces of the slowest spans in the box; the slowest can be compared with one in which the like took as long as usual. */
function Inside({ spec, dataset, box }: { spec: Spec; dataset: string | null; box: Box }) {
  const key = JSON.stringify([spec.filters, dataset, box]);
  const { answer } = useAsked(key, (signal) => findTraces(spec, dataset, box, signal), false);
  if (!answer || answer.slowest.length === 0) return null;
  const first = answer.slowest[0]?.group['trace.trace_id'];
  return (
    <div className="inside-traces">
      <span className="soft">Slowest:</span>
      {answer.slowest.map((row) => {
        const id = String(row.group['trace.trace_id']);
        const value = row.values[`MAX(${box.column})`];
        return (
          <Link key={id} to={`/trace/${id}`} title={`Trace ${id}`}>
            {typeof value === 'number' ? amount(value, box.column) : 'open'}
          </Link>
        );
      })}
      {answer.usual && answer.usual !== first && <Link to={`/compare/${answer.usual}/${first}`}>Compare the first with a usual one</Link>}
    </div>
  );
}

const MOST_TRACES = 5;

async function findTraces(spec: Spec, dataset: string | null, box: Box, signal: AbortSignal): Promise<{ slowest: readonly Row[]; usual: string | null }> {
  const slowestFirst: Spec = {
    ...(spec.calculated_fields && { calculated_fields: spec.calculated_fields }),
    calculations: [{ op: 'MAX', column: box.column }],
    breakdowns: ['trace.trace_id', 'service.name', 'name'],
    orders: [{ op: 'MAX', column: box.column, order: 'descending' }],
  };
  // OR binds the query's own conditions to each other, and the box is one more that has to hold.
  const own = spec.filter_combination === 'OR' ? [] : (spec.filters ?? []);
  const below: Filter = { column: box.column, op: '<', value: box.min };
  const inside = [...own, { column: box.column, op: '>=', value: box.min }, { column: box.column, op: '<', value: box.max }];
  const { rows } = await runQuery({ ...slowestFirst, filters: inside, limit: 50, start_time: Math.floor(box.start), end_time: Math.ceil(box.end) }, dataset, signal);
  const slowest = onceEach(rows).slice(0, MOST_TRACES);
  const first = slowest[0];
  if (!first || spec.start_time === undefined || spec.end_time === undefined) return { slowest, usual: null };
  const like = ['service.name', 'name'].map((column) => filterOf(column, first.group[column] ?? null));
  const others = await runQuery({ ...slowestFirst, filters: [...like, below], limit: 1_000, start_time: spec.start_time, end_time: spec.end_time }, dataset, signal);
  const usual = others.rows[Math.floor(others.rows.length / 2)]?.group['trace.trace_id'];
  return { slowest, usual: usual === undefined ? null : String(usual) };
}

function withoutTime({ time_range: _range, start_time: _start, end_time: _end, granularity: _granularity, ...rest }: Spec): Spec {
  return rest;
}

/** Six digits are enough for a bound that was drawn by hand. */
function round(value: number): number {
  return Number(value.toPrecision(6));
}
