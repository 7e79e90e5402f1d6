import { useEffect, useRef, useState } from 'react';

import { ApiError } from '../shared/api';
import { ago } from '../shared/format';
import { Copy } from '../shared/Copy';
import { Link } from '../shared/Link';
import { Icon } from '../shared/marks';
import { useAsked, wordsOf } from '../shared/ask';
import { listSaved, save } from './calls';
import type { Answer } from './calls';
import { timeLabel } from './chart';
import { readHistory } from './history';
import { OFFSETS, describe, parseSpec, queryAddress, shifted, tidy, withRange } from './spec';
import type { Spec } from './spec';
import { printFilter } from './text';

const RANGES: readonly (readonly [seconds: number, words: string])[] = [
  [300, '5 minutes'],
  [600, '10 minutes'],
  [1_800, '30 minutes'],
  [3_600, 'hour'],
  [7_200, '2 hours'],
  [21_600, '6 hours'],
  [86_400, '24 hours'],
  [259_200, '3 days'],
  [604_800, '7 days'],
];

const GRANULARITIES = [1, 5, 10, 15, 30, 60, 300, 600, 1_800, 3_600, 21_600, 86_400];
const LIMITS = [5, 10, 50, 100, 1_000];
/** The specification: between a thousandth of the range and the range. */
const MOST_BUCKETS = 1_000;
const DEFAULT_RANGE = 7_200;

interface Props {
  readonly spec: Spec;
  readonly dataset: string | null;
  readonly datasets: readonly string[];
  readonly answer: Answer | null;
  readonly isAsking: boolean;
  readonly isLive: boolean;
  readonly onChange: (spec: Spec) => void;
  readonly onDataset: (dataset: string | null) => void;
  readonly onRefresh: () => void;
  readonly onLive: () => void;
}

export function Toolbar({ spec, dataset, datasets, answer, isAsking, isLive, onChange, onDataset, onRefresh, onLive }: Props) {
  const isFixed = spec.start_time !== undefined || spec.end_time !== undefined;
  const range = spec.time_range ?? DEFAULT_RANGE;
  const length = answer ? answer.end - answer.start : range;
  const granularities = GRANULARITIES.filter((each) => each >= length / MOST_BUCKETS && each <= length);
  return (
    <div className="toolbar query-tools">
      <label>
        <span className="hidden">Service whose spans are asked</span>
        <select value={dataset ?? ''} onChange={(event) => onDataset(event.target.value || null)}>
          <option value="">Every service</option>
          {[...new Set([...datasets, ...(dataset ? [dataset] : [])])].map((each) => (
            <option key={each}>{each}</option>
          ))}
        </select>
      </label>
      <span className="time-range">
        <button type="button" className="quiet" title="Earlier ([)" aria-label="Earlier" disabled={!answer} onClick={() => answer && onChange(shifted(spec, answer, -1))}>
          <Icon name="back" />
        </button>
        <label>
          <span className="hidden">Time</span>
          <select value={isFixed ? 'fixed' : range} onChange={(event) => event.target.value !== 'fixed' && onChange(withRange(spec, Number(event.target.value)))} data-time>
            {isFixed && <option value="fixed">{answer ? `${timeLabel(answer.start, 1)} – ${timeLabel(answer.end, 1)}` : 'as chosen'}</option>}
            {!isFixed && !RANGES.some(([seconds]) => seconds === range) && <option value={range}>last {range} s</option>}
            {RANGES.map(([seconds, words]) => (
              <option key={seconds} value={seconds}>
                last {words}
              </option>
            ))}
          </select>
        </label>
        <button type="button" className="quiet later" title="Later (])" aria-label="Later" disabled={!answer} onClick={() => answer && onChange(shifted(spec, answer, 1))}>
          <Icon name="back" />
        </button>
      </span>
      <label>
        <span>step</span>
        <select
          data-short
          value={spec.granularity ?? 0}
          onChange={(event) => {
            const { granularity: _granularity, ...rest } = spec;
            onChange(event.target.value === '0' ? rest : { ...rest, granularity: Number(event.target.value) });
          }}
        >
          <option value="0">auto{answer && !spec.granularity ? ` (${seconds(answer.granularity)})` : ''}</option>
          {[...new Set([...granularities, ...(spec.granularity ? [spec.granularity] : [])])].map((each) => (
            <option key={each} value={each}>
              {seconds(each)}
            </option>
          ))}
        </select>
      </label>
      <label>
        <span>limit</span>
        <select value={spec.limit ?? 100} onChange={(event) => onChange({ ...spec, limit: Number(event.target.value) })}>
          {[...new Set([...LIMITS, spec.limit ?? 100])].sort((a, b) => a - b).map((each) => (
            <option key={each}>{each}</option>
          ))}
        </select>
      </label>
      <label>
        <span>against</span>
        <select
          data-short
          value={spec.compare_time_offset_seconds ?? 0}
          onChange={(event) => {
            const { compare_time_offset_seconds: _offset, ...rest } = spec;
            onChange(event.target.value === '0' ? rest : { ...rest, compare_time_offset_seconds: Number(event.target.value) });
          }}
        >
          <option value="0">nothing</option>
          {OFFSETS.filter((offset) => offset >= length).map((offset) => (
            <option key={offset} value={offset}>
              {seconds(offset)} earlier
            </option>
          ))}
        </select>
      </label>
      <span className="spacer" />
      <Menu label="Saved">{(close) => <SavedList onChoose={close} />}</Menu>
      <Menu label="History">{(close) => <HistoryList onChoose={close} />}</Menu>
      <Menu label="Save" name="save">
        {(close) => <SaveForm spec={{ ...spec, limit: spec.limit ?? 100 }} dataset={dataset} onDone={close} />}
      </Menu>
      <Menu label="JSON">
        {(close) => (
          <AsJson
            spec={spec}
            dataset={dataset}
            onRun={(next) => {
              close();
              onChange(next);
            }}
          />
        )}
      </Menu>
      <button type="button" className="toggle-button" onClick={onRefresh} aria-busy={isAsking} title="Ask again">
        Run <kbd>r</kbd>
      </button>
      <button type="button" className="live" data-state={isLive ? 'live' : 'idle'} aria-pressed={isLive} disabled={isFixed} title={isFixed ? 'A fixed time does not move' : 'Ask again every few seconds'} onClick={onLive}>
        Live
      </button>
    </div>
  );
}

/** A button with something below it, closed by a click elsewhere or Esc. */
function Menu({ label, name, children }: { label: string; name?: string; children: (close: () => void) => React.ReactNode }) {
  const [isOpen, setOpen] = useState(false);
  const box = useRef<HTMLDivElement>(null);
  useEffect(() => {
    if (!isOpen) return;
    const press = (event: Event) => {
      const isOutside = event instanceof KeyboardEvent ? event.key === 'Escape' : !box.current?.contains(event.target as Node);
      if (!isOutside) return;
      if (event instanceof KeyboardEvent) event.stopPropagation();
      setOpen(false);
    };
    addEventListener('pointerdown', press);
    addEventListener('keydown', press, { capture: true });
    return () => {
      removeEventListener('pointerdown', press);
      removeEventListener('keydown', press, { capture: true });
    };
  }, [isOpen]);
  return (
    <div ref={box} className="menu">
      <button type="button" className="toggle-button" aria-expanded={isOpen} onClick={() => setOpen(!isOpen)} {...(name && { 'data-menu': name })}>
        {label}
        <Icon name="down" />
      </button>
      {isOpen && <div className="menu-body">{children(() => setOpen(false))}</div>}
    </div>
  );
}

function SavedList({ onChoose }: { onChoose: () => void }) {
  const { answer, failure } = useAsked('saved', listSaved, false);
  if (failure) return <p className="bad">{wordsOf(failure)}</p>;
  if (answer?.queries.length === 0) return <p className="soft">No query is saved yet.</p>;
  return (
    <ul className="menu-list">
      {answer?.invalid?.map((why) => (
        <li key={why} className="bad">
          {why}
        </li>
      ))}
      {answer?.queries.map(({ name, title, description, query, dataset, file }) => (
        <li key={name}>
          <Link to={queryAddress(query, dataset ?? null)} onClickCapture={onChoose} title={file ?? name}>
            <b>{title || name}</b>
            <small>{description || describe(query, { filter: printFilter })}</small>
          </Link>
        </li>
      ))}
    </ul>
  );
}

function HistoryList({ onChoose }: { onChoose: () => void }) {
  const visits = readHistory();
  const now = Date.now();
  if (visits.length === 0) return <p className="soft">Nothing was asked in this browser yet.</p>;
  return (
    <ul className="menu-list">
      {visits.map(({ address, words, at }) => (
        <li key={words}>
          <Link to={address} onClickCapture={onChoose}>
            <code>{words}</code>
            <small>{ago(at * 1e6, now)}</small>
          </Link>
        </li>
      ))}
    </ul>
  );
}

function SaveForm({ spec, dataset, onDone }: { spec: Spec; dataset: string | null; onDone: () => void }) {
  const [title, setTitle] = useState('');
  const [description, setDescription] = useState('');
  const [problem, setProblem] = useState<string | null>(null);
  const name = title
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, '-')
    .replace(/^-|-$/g, '');
  const submit = (event: React.FormEvent) => {
    event.preventDefault();
    save(name, { title: title.trim(), description: description.trim(), dataset, query: tidy(spec) }).then(onDone, (error: unknown) => setProblem(error instanceof ApiError ? wordsOf(error) : String(error)));
  };
  return (
    <form className="save-form" onSubmit={submit}>
      <label>
        <span>Title</span>
        <input type="text" value={title} autoFocus required maxLength={320} onChange={(event) => setTitle(event.target.value)} />
      </label>
      <label>
        <span>What it tells</span>
        <input type="text" value={description} maxLength={1_023} onChange={(event) => setDescription(event.target.value)} />
      </label>
      <p className="soft">
        A file, <code>{name || '…'}.json</code>, that Honeycomb takes, too.
      </p>
      {problem && (
        <p className="bad" role="alert">
          {problem}
        </p>
      )}
      <button type="submit" className="button" disabled={name === ''}>
        Save
      </button>
    </form>
  );
}

/** The whole query: what the builder has no field for can be written here. */
function AsJson({ spec, dataset, onRun }: { spec: Spec; dataset: string | null; onRun: (spec: Spec) => void }) {
  const [text, setText] = useState(JSON.stringify(tidy(spec), null, 2));
  const typed = parseSpec(text);
  const body = JSON.stringify({ ...tidy(spec), ...(dataset && { dataset }) }).replaceAll("'", "'\\''");
  return (
    <div className="as-json">
      <p className="soft">
        Honeycomb’s query specification.{' '}
        <Copy text={text} what="the query as JSON">
          JSON
        </Copy>{' '}
        <Copy text={`curl -sS ${location.origin}/api/query -H 'content-type: application/json' -d '${body}'`} what="the query as a curl command">
          curl
        </Copy>{' '}
        <Copy text={location.href} what="the address of this page">
          link
        </Copy>
      </p>
      <textarea aria-label="The query as JSON" rows={Math.min(text.split('\n').length + 1, 22)} spellCheck={false} value={text} aria-invalid={typed === null} onChange={(event) => setText(event.target.value)} />
      <button type="button" className="button" disabled={typed === null} onClick={() => typed && onRun(typed)}>
        Run this
      </button>
    </div>
  );
}

function seconds(count: number): string {
  if (count % 86_400 === 0) return `${count / 86_400} d`;
  if (count % 3_600 === 0) return `${count / 3_600} h`;
  if (count % 60 === 0) return `${count / 60} min`;
  return `${count} s`;
}
