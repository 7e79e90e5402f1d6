import { database, failure } from './describe';
import type { Repeat } from './tree';
import { count, duration, plural } from '../shared/format';

const MOST = 12;

/** Many spans of one name below one parent: how long they took, and whether one would have done. */
export function RepeatBody({ repeat, isOpen, onToggle, onSelect }: { repeat: Repeat; isOpen: boolean; onToggle: () => void; onSelect: (id: string) => void }) {
  const { nodes } = repeat;
  const spans = nodes.map(({ span }) => span);
  const times = spans.map(({ duration_nano }) => duration_nano).sort((a, b) => a - b);
  const at = (share: number) => times[Math.min(Math.floor(share * times.length), times.length - 1)] ?? 0;
  const sum = times.reduce((total, each) => total + each, 0);
  const first = spans[0];
  const end = spans.reduce((latest, { start_unix_nano, duration_nano }) => Math.max(latest, start_unix_nano + duration_nano), 0);
  const failed = spans.filter((span) => span.status === 'error');
  const slowest = [...spans].sort((a, b) => b.duration_nano - a.duration_nano).slice(0, MOST);
  const texts = new Set(spans.map(({ attributes }) => attributes['db.query.text']));
  const isNPlusOne = first !== undefined && database(first) !== null && texts.size === 1;
  return (
    <div className="panel-body">
      <dl className="facts">
        <Fact name="Times" value={count(nodes.length)} />
        <Fact name="In all" value={duration(sum)} />
        {first && <Fact name="From first to last" value={duration(end - first.start_unix_nano)} />}
        <Fact name="Shortest" value={duration(times[0] ?? 0)} />
        <Fact name="Median" value={duration(at(0.5))} />
        <Fact name="p95" value={duration(at(0.95))} />
        <Fact name="Longest" value={duration(times.at(-1) ?? 0)} />
        {failed.length > 0 && <Fact name="Failed" value={count(failed.length)} />}
      </dl>
      {isNPlusOne && <p className="notice">The same statement {count(nodes.length)} times below one span: one query for all of them would need one way to the database and back.</p>}
      <p>
        <button type="button" className="button" onClick={onToggle}>
          {isOpen ? 'Draw them as one' : `Show ${plural(nodes.length, 'span')}`}
        </button>
      </p>
      <section>
        <h3>{failed.length > 0 ? 'Failed, then the longest' : 'The longest'}</h3>
        <ul className="slowest">
          {[...failed, ...slowest.filter((span) => span.status !== 'error')].slice(0, MOST).map((span) => (
            <li key={span.span_id}>
              <button type="button" className="link" onClick={() => onSelect(span.span_id)}>
                {duration(span.duration_nano)}
              </button>{' '}
              <span className="soft">{failure(span) ?? `after ${duration(span.start_unix_nano - (first?.start_unix_nano ?? 0))}`}</span>
            </li>
          ))}
        </ul>
      </section>
    </div>
  );
}

function Fact({ name, value }: { name: string; value: string }) {
  return (
    <div>
      <dt>{name}</dt>
      <dd>{value}</dd>
    </div>
  );
}
