import { useMemo } from 'react';

import { postJson, useAsked } from '../shared/ask';
import { count, duration } from '../shared/format';
import { Link } from '../shared/Link';
import { Icon } from '../shared/marks';
import { isMisestimated, isPlan, misestimateText, planOf, remarks, sameStatement } from './plan';
import type { Filter, PlanLine } from './plan';
import type { Node } from './tree';

/** What Postgres did for a query, as a tree with own times; nothing where no plan came. */
export function PlanView({ node, onSelect }: { node: Node; onSelect: (id: string) => void }) {
  const plan = useMemo(() => planOf(node), [node]);
  const said = useMemo(() => remarks(plan), [plan]);
  const statement = useMemo(() => sameStatement(plan), [plan]);
  if (plan.lines.length === 0) return statement && <OverTime statement={statement} start={plan.query.span.start_unix_nano} />;
  const hasBuffers = plan.lines.some(({ facts }) => facts.hit + facts.read > 0);
  return (
    <section className="plan">
      <h3>Plan</h3>
      {said.map((each) => (
        <p key={each} className="plan-remark">
          <Icon name="warn" /> {each}
        </p>
      ))}
      <table>
          <thead>
            <tr>
              <th scope="col">Node</th>
              <th scope="col" title="Without the time of the nodes below">
                Self
              </th>
              <th scope="col" title="Rows there were, and rows the planner expected, for each loop">
                Rows
              </th>
              {hasBuffers && (
                <th scope="col" title="Pages found in memory, and pages read">
                  Pages
                </th>
              )}
            </tr>
          </thead>
          <tbody>
            {plan.lines.map((line) => (
              <Line key={line.node.id} line={line} isChosen={line.node === node} hasBuffers={hasBuffers} onSelect={onSelect} />
            ))}
          </tbody>
      </table>
      {isPlan(node.span) && plan.query !== node && (
        <p>
          <button type="button" className="link" onClick={() => onSelect(plan.query.id)}>
            The query
          </button>
        </p>
      )}
      {statement && <OverTime statement={statement} start={plan.query.span.start_unix_nano} />}
    </section>
  );
}

function Line({ line: { node, depth, own, share, facts }, isChosen, hasBuffers, onSelect }: { line: PlanLine; isChosen: boolean; hasBuffers: boolean; onSelect: (id: string) => void }) {
  const wrong = isMisestimated(facts);
  return (
    <tr data-chosen={isChosen} data-never={facts.neverExecuted} onClick={() => onSelect(node.id)}>
      <td style={{ paddingLeft: 4 + 10 * Math.min(depth, 12) }}>
        <button type="button" className="link" title={node.span.name}>
          {node.span.name}
        </button>
        {facts.loops > 1 && <small className="soft"> × {count(facts.loops)}</small>}
      </td>
      <td className="plan-self">
        <i style={{ width: `${Math.min(100 * share, 100)}%` }} />
        <span>{facts.neverExecuted ? 'never run' : duration(own)}</span>
      </td>
      <td data-bad={wrong} title={wrong ? `${misestimateText(facts)} rows were expected` : undefined}>
        {facts.actual === null ? '' : count(Math.round(facts.actual * 10) / 10)}
        {facts.estimated !== null && (
          <small>
            {wrong && <b>{misestimateText(facts).split(' ')[0]} </b>}
            of {count(facts.estimated)}
          </small>
        )}
      </td>
      {hasBuffers && (
        <td>
          {facts.hit + facts.read > 0 && (
            <>
              {count(facts.hit)}
              <small>{facts.read > 0 ? `+ ${count(facts.read)} read` : ''}</small>
            </>
          )}
        </td>
      )}
    </tr>
  );
}

interface QueryAnswer {
  readonly times: readonly number[];
  readonly rows: readonly { readonly values: Readonly<Record<string, number | null>>; readonly series: Readonly<Record<string, readonly (number | null)[]>> }[];
}

const SECONDS = 3_600;
const [MEDIAN, SLOW] = ['P50(duration_ms)', 'P95(duration_ms)'] as const;

/** How long the same statement took before and after. */
function OverTime({ statement, start }: { statement: readonly Filter[]; start: number }) {
  const at = Math.round(start / 1e9);
  const { answer } = useAsked(
    JSON.stringify([statement, at]),
    (signal) =>
      postJson<QueryAnswer>(
        '/api/query',
        {
          calculations: [{ op: 'COUNT' }, { op: 'P50', column: 'duration_ms' }, { op: 'P95', column: 'duration_ms' }],
          filters: statement,
          start_time: at - SECONDS,
          end_time: at + SECONDS / 4,
          granularity: 60,
        },
        signal,
      ).catch(() => null),
    false,
  );
  const row = answer?.rows[0];
  if (!answer || !row) return null;
  const median = row.series[MEDIAN] ?? [];
  const link = { calculations: [{ op: 'COUNT' }, { op: 'HEATMAP', column: 'duration_ms' }], filters: statement, start_time: at - SECONDS, end_time: at + SECONDS / 4 };
  const slow = row.series[SLOW] ?? [];
  const most = Math.max(...slow.map((each) => each ?? 0), 0.001);
  const x = (index: number) => (index / Math.max(answer.times.length - 1, 1)) * 300;
  const dots = (values: readonly (number | null)[], name: string) =>
    values.map((value, index) => value !== null && <circle key={`${name}${index}`} className={`over-${name}`} cx={x(index)} cy={56 - (52 * value) / most} r="2.2" />);
  const here = answer.times.findIndex((time, index) => time <= at && (answer.times[index + 1] ?? Infinity) > at);
  return (
    <figure className="over-time">
      <h3>
        The same statement over time <Link to={`/query?${new URLSearchParams({ query: JSON.stringify(link) })}`}>as a query</Link>
      </h3>
      <svg viewBox="0 0 300 60" preserveAspectRatio="none" role="img" aria-label="Median and p95 of the same statement, minute by minute">
        {here >= 0 && <line className="over-now" x1={x(here)} x2={x(here)} y1="0" y2="60" />}
        {dots(slow, 'slow')}
        {dots(median, 'median')}
      </svg>
      <figcaption>
        <span>an hour before</span>
        <span>
          {count(row.values['COUNT'] ?? 0)} times · median {duration((row.values[MEDIAN] ?? 0) * 1e6)} · p95 {duration((row.values[SLOW] ?? 0) * 1e6)}
        </span>
      </figcaption>
    </figure>
  );
}
