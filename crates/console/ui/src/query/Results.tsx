import { Link } from '../shared/Link';
import { Icon } from '../shared/marks';
import type { Answer, Row, Totals } from './calls';
import { amount, axis, change, linePath } from './chart';
import { colourOf } from './Lines';
import { calculations, filterOf, keyOf, meant } from './spec';
import type { Filter, Order, Spec } from './spec';

interface Props {
  readonly answer: Answer;
  readonly spec: Spec;
  readonly onPoint: (row: number | null) => void;
  readonly onFilter: (filters: readonly Filter[]) => void;
  readonly onOrder: (order: Order) => void;
}

/** The groups with their values, how each went over time, and a trace of each. */
export function Results({ answer, spec, onPoint, onFilter, onOrder }: Props) {
  const columns = spec.breakdowns ?? [];
  // With formulas these stand instead of what they are calculated from.
  const shown = spec.formulas?.length ? [] : calculations(spec).filter(({ op }) => op !== 'HEATMAP');
  const keys = [...shown.map(keyOf), ...(spec.formulas ?? []).map(({ name }) => name)];
  const first = keys[0];
  const order = spec.orders?.[0];
  const ordered = order?.op && keyOf(meant(spec, order) ?? { op: order.op });
  return (
    <div className="results">
      <table>
        <thead>
          <tr>
            {columns.map((column) => (
              <th key={column}>{column}</th>
            ))}
            {shown.map((calculation) => {
              const key = keyOf(calculation);
              const isOrder = order !== undefined && (order.op ? key === ordered : order.column === calculation.name);
              return (
                <th key={key} className="number" aria-sort={isOrder ? (order.order === 'descending' ? 'descending' : 'ascending') : 'none'}>
                  <button
                    type="button"
                    className="link"
                    title="Order by this"
                    onClick={() =>
                      onOrder({
                        ...(calculation.name ? { column: calculation.name } : { op: calculation.op, ...(calculation.column && { column: calculation.column }) }),
                        order: isOrder && order.order === 'descending' ? 'ascending' : 'descending',
                      })
                    }
                  >
                    {key}
                    {isOrder && <Icon name={order.order === 'descending' ? 'down' : 'up'} />}
                  </button>
                </th>
              );
            })}
            {(spec.formulas ?? []).map(({ name }) => (
              <th key={name} className="number">
                {name}
              </th>
            ))}
            {first && <th className="spark-head">{first} over time</th>}
            <th>Traces</th>
          </tr>
        </thead>
        <tbody>
          {answer.rows.map((row, at) => (
            <tr key={JSON.stringify(row.group)} onPointerEnter={() => onPoint(at)} onPointerLeave={() => onPoint(null)}>
              {columns.map((column, place) => (
                <td key={column} className="group">
                  {place === 0 && <i className={`dot ${colourOf(row, at, answer.rows.length)}`} />}
                  {column === 'trace.trace_id' && row.group[column] ? (
                    <Link to={`/trace/${row.group[column]}`}>
                      <code>{row.group[column]}</code>
                    </Link>
                  ) : (
                    <button type="button" className="value" title={`Only ${column} = ${row.group[column]}`} onClick={() => onFilter([filterOf(column, row.group[column] ?? null)])}>
                    {row.group[column] === null || row.group[column] === undefined ? <em>none</em> : String(row.group[column])}
                  </button>
                  )}
                  <button type="button" className="not" title="Without these" aria-label={`Without ${column} = ${row.group[column]}`} onClick={() => onFilter([filterOf(column, row.group[column] ?? null, '!=')])}>
                    ≠
                  </button>
                </td>
              ))}
              <Values of={row} earlier={answer.compare?.rows.find(({ group }) => JSON.stringify(group) === JSON.stringify(row.group))} keys={keys} />
              {first && (
                <td className="spark">
                  <Spark values={row.series[first] ?? []} colour={colourOf(row, at, answer.rows.length)} />
                </td>
              )}
              <td className="exemplars">
                <Exemplars row={row} />
              </td>
            </tr>
          ))}
        </tbody>
        {answer.rows.length > 1 && (
          <tfoot>
            {answer.other && <Sum what={`other (${answer.groups - answer.rows.length} groups)`} of={answer.other} columns={columns.length} keys={keys} {...(first && { first })} />}
            <Sum what="total" of={answer.totals} earlier={answer.compare?.totals} columns={columns.length} keys={keys} {...(first && { first })} />
          </tfoot>
        )}
      </table>
      {answer.rows.length === 0 && <p className="empty">No span matches in this time.</p>}
    </div>
  );
}

function Sum({ what, of, earlier, columns, keys, first }: { what: string; of: Totals; earlier?: Totals | undefined; columns: number; keys: readonly string[]; first?: string }) {
  return (
    <tr>
      {columns > 0 && <th colSpan={columns}>{what}</th>}
      <Values of={of} earlier={earlier} keys={keys} />
      {first && (
        <td className="spark">
          <Spark values={of.series[first] ?? []} colour="hue-5" />
        </td>
      )}
      <td />
    </tr>
  );
}

function Values({ of, earlier, keys }: { of: Totals; earlier?: Totals | undefined; keys: readonly string[] }) {
  return keys.map((key) => {
    const value = of.values[key];
    const before = earlier?.values[key];
    return (
      <td key={key} className="number">
        {typeof value === 'number' && typeof before === 'number' && <small title={`Earlier ${amount(before, key)}`}>{change(before, value)} </small>}
        {typeof value === 'number' ? amount(value, key) : '–'}
      </td>
    );
  });
}

/** The slowest first. */
function Exemplars({ row }: { row: Row }) {
  const [slowest, ...more] = row.exemplars;
  if (slowest === undefined) return null;
  return (
    <>
      <Link to={`/trace/${slowest}`} title="The trace of its slowest span">
        slowest
      </Link>
      {more.slice(0, 3).map((id, at) => (
        <Link key={id} to={`/trace/${id}`} title={`Trace ${id}`}>
          {at + 2}
        </Link>
      ))}
    </>
  );
}

const WIDTH = 140;
const HEIGHT = 22;

export function Spark({ values, colour }: { values: readonly (number | null)[]; colour: string }) {
  const filled = values.filter((value) => value !== null);
  const { from, to } = axis(Math.min(0, ...filled), Math.max(...filled, 0), 2);
  const { line, lone } = linePath(
    values,
    (at) => ((at + 0.5) / Math.max(values.length, 1)) * WIDTH,
    (value) => HEIGHT - 2 - ((value - from) / (to - from)) * (HEIGHT - 4),
  );
  return (
    <svg className={`sparkline ${colour}`} viewBox={`0 0 ${WIDTH} ${HEIGHT}`} width={WIDTH} height={HEIGHT} aria-hidden="true">
      <path d={line} />
      <path className="lone" d={lone} />
    </svg>
  );
}
