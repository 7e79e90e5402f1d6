import { Fragment, useEffect, useMemo } from 'react';

import { useAsked, wordsOf } from '../shared/ask';
import { hue } from '../shared/colours';
import { ago, clock, count, duration, plural } from '../shared/format';
import { useKeys } from '../shared/keys';
import type { KeyHelp } from '../shared/keys';
import { Link } from '../shared/Link';
import { navigate, setQuery } from '../shared/location';
import { Icon } from '../shared/marks';
import type { Trace } from '../shared/shapes';
import { load } from '../trace/load';
import type { Loaded } from '../trace/load';
import { Forest } from '../trace/tree';
import { differing, differs, merge, withAncestors } from './merge';
import type { Differing, Pair, Side } from './merge';

import './compare.css';

export const COMPARE_KEYS: KeyHelp = {
  where: 'Two traces',
  keys: [
    { key: 'd', does: 'Only what differs, or everything' },
    { key: 'x', does: 'Change sides' },
  ],
};

/** A difference below this share of the longer trace is noise. */
const LEAST_SHARE = 0.02;

/** Two traces side by side, as one tree: what took longer, what came or went, and where the difference began. */
export function ComparePage({ left, right, address }: { left: string; right: string; address: string }) {
  const { answer, failure } = useAsked(
    `${left} ${right}`,
    async (signal) => {
      const [before, after] = await Promise.all([load(left, signal), load(right, signal)]);
      return { left: before, right: after };
    },
    false,
  );
  const query = new URL(address, location.origin).searchParams;
  const isAll = query.get('all') === 'true';

  useEffect(() => {
    document.title = 'Two traces · Throughline';
  }, []);
  useKeys({
    d: () => setQuery({ all: isAll ? null : 'true' }),
    x: () => navigate(`/compare/${right}/${left}${isAll ? '?all=true' : ''}`),
  });

  if (!answer) {
    return (
      <main className="note" aria-busy={failure === null}>
        {failure && <h1>{failure.title}</h1>}
        {failure && <p role="alert">{wordsOf(failure)}</p>}
      </main>
    );
  }
  return <Comparison left={answer.left} right={answer.right} isAll={isAll} opened={query.get('at')} />;
}

function Comparison({ left: before, right: after, isAll, opened }: { left: Loaded; right: Loaded; isAll: boolean; opened: string | null }) {
  const [left, right] = [before.trace, after.trace];
  const forests = useMemo(() => [new Forest(before.columns), new Forest(after.columns)] as const, [before, after]);
  const { pairs, leftOut } = useMemo(() => merge(...forests), [forests]);
  const longest = Math.max(left.duration_nano, right.duration_nano, 1);
  const shown = useMemo(() => (isAll ? pairs : withAncestors(pairs, (pair) => differs(pair, longest * LEAST_SHARE))), [pairs, isAll, longest]);
  // Noise stays small: a full bar is at least a tenth of the longer trace.
  const most = Math.max(longest / 10, ...pairs.map(({ difference }) => Math.abs(difference)));
  const origin = pairs.reduce<Pair | null>((found, pair) => (found === null || Math.abs(pair.own) > Math.abs(found.own) ? pair : found), null);
  /** Of the first span of either side: of a loop that ran often, each of which differs, all would be too much. */
  const attributesOf = useMemo(() => {
    const of = ({ left: a, right: b }: Pair): readonly Differing[] => {
      const [one, other] = [forests[0].get(a.id ?? '')?.span, forests[1].get(b.id ?? '')?.span];
      return one && other ? differing(one, other) : [];
    };
    return new Map(shown.map((pair) => [pair, of(pair)]));
  }, [forests, shown]);
  return (
    <main className="compare-page">
      <header className="compare-head">
        <Head what="A" trace={left} forest={forests[0]} />
        <Head what="B" trace={right} forest={forests[1]} />
        <p className="compare-sum">
          <b>B took {inWords(right.duration_nano - left.duration_nano)}.</b>{' '}
          {origin && Math.abs(origin.own) >= longest * LEAST_SHARE && (
            <>
              Most of the difference began in <code>{origin.name}</code> of {origin.station}: {signed(origin.own)}
              {origin.left.spans !== origin.right.spans && `, ${origin.left.spans} → ${origin.right.spans} spans`}.
            </>
          )}
        </p>
        <p className="compare-tools">
          <button type="button" className="toggle-button" aria-pressed={!isAll} onClick={() => setQuery({ all: isAll ? null : 'true' })}>
            Only what differs <kbd>d</kbd>
          </button>
          <button type="button" className="toggle-button" onClick={() => navigate(`/compare/${right.trace_id}/${left.trace_id}${isAll ? '?all=true' : ''}`)}>
            Change sides <kbd>x</kbd>
          </button>
          <span className="soft">
            {count(shown.length)} of {plural(pairs.length, 'kind')} of span{leftOut > 0 && `, ${count(leftOut)} more not shown`}
          </span>
        </p>
      </header>
      <div className="compare-rows">
        <table>
          <thead>
            <tr>
              <th>Span</th>
              <th className="number">A</th>
              <th className="number">B</th>
              <th className="compare-bars">B − A</th>
              <th className="number">of its own</th>
            </tr>
          </thead>
          <tbody>
            {shown.map((pair) => {
              const attributes = attributesOf.get(pair) ?? [];
              const isOpen = pair.left.id !== null && pair.left.id === opened;
              return (
                <Fragment key={pair.key}>
                  <tr data-change={pair.left.spans === 0 ? 'added' : pair.right.spans === 0 ? 'removed' : pair.left.failed < pair.right.failed ? 'failed' : 'both'} data-origin={pair === origin}>
                    <td>
                      <span className="compare-name" style={{ paddingLeft: Math.min(pair.depth, 24) * 16 }}>
                        <i className={`dot ${hue(pair.station)}`} />
                        <span className="soft">{pair.station}</span> <b>{pair.name}</b>
                        {pair.left.spans === 0 && <em>only in B</em>}
                        {pair.right.spans === 0 && <em>only in A</em>}
                        {attributes.length > 0 && (
                          <button type="button" className="compare-attributes" aria-expanded={isOpen} title="What these spans say differently of themselves" onClick={() => setQuery({ at: isOpen ? null : pair.left.id })}>
                            {plural(attributes.length, 'attribute')}
                          </button>
                        )}
                      </span>
                    </td>
                    <Cell side={pair.left} trace={left.trace_id} />
                    <Cell side={pair.right} trace={right.trace_id} />
                    <td className="compare-bars">
                      <span className="compare-bar">
                        <i data-slower={pair.difference > 0} style={{ width: `${(50 * Math.abs(pair.difference)) / most}%`, [pair.difference > 0 ? 'left' : 'right']: '50%' }} />
                      </span>
                      <b>{signed(pair.difference)}</b>
                    </td>
                    <td className="number">{Math.abs(pair.own) < longest / 1_000 ? '' : signed(pair.own)}</td>
                  </tr>
                  {isOpen && (
                    <tr className="compare-differing">
                      <td colSpan={5}>
                        <Attributes differing={attributes} />
                      </td>
                    </tr>
                  )}
                </Fragment>
              );
            })}
          </tbody>
        </table>
        {shown.length === 0 && <p className="empty">Nothing differs by more than {100 * LEAST_SHARE} % of the time.</p>}
      </div>
    </main>
  );
}

function Head({ what, trace, forest }: { what: string; trace: Trace; forest: Forest }) {
  const first = forest.nodes[0]?.span;
  const { failed } = forest;
  const now = Date.now();
  return (
    <section className="compare-trace" aria-label={`Trace ${what}`}>
      <h2>
        <kbd>{what}</kbd>
        {first && <span className={`chip ${hue(first.service)}`}>{first.service}</span>}
        <Link to={`/trace/${trace.trace_id}`}>{first?.name ?? 'No spans'}</Link>
      </h2>
      <p>
        <b>{duration(trace.duration_nano)}</b> <span title={ago(trace.start_unix_nano, now)}>{clock(trace.start_unix_nano, now)}</span> {plural(forest.size, 'span')}
        {failed > 0 && <span className="bad"> {plural(failed, 'error')}</span>}
      </p>
    </section>
  );
}

function Attributes({ differing: found }: { differing: readonly Differing[] }) {
  return (
    <dl>
      {found.map(({ key, left, right }) => (
        <div key={key}>
          <dt>{key}</dt>
          <dd data-side="left">{left ?? <em>none</em>}</dd>
          <dd data-side="right">{right ?? <em>none</em>}</dd>
        </div>
      ))}
    </dl>
  );
}

function Cell({ side, trace }: { side: Side; trace: string }) {
  if (side.id === null) return <td className="number soft">–</td>;
  return (
    <td className="number">
      {side.failed > 0 && <Icon name="warn" />}
      {side.spans > 1 && <small>× {count(side.spans)}</small>} <Link to={`/trace/${trace}?span=${side.id}`}>{duration(side.duration)}</Link>
    </td>
  );
}

function signed(nanos: number): string {
  if (nanos === 0) return '=';
  return `${nanos > 0 ? '+' : '−'}${duration(Math.abs(nanos))}`;
}

function inWords(nanos: number): string {
  if (nanos === 0) return 'as long as A';
  return `${duration(Math.abs(nanos))} ${nanos > 0 ? 'longer' : 'less'} than A`;
}
