import { useEffect, useState } from 'react';

import { ApiError, getStats } from './api';
import { isNotHere } from './NotHere';
import { bytes, count, plural } from './format';
import type { Stats } from './shapes';

const EVERY_MS = 3_000;

/** The console's counters, while somebody looks. `null` before the first answer, `'gone'` when there is none. */
export function useStats(): Stats | 'gone' | null {
  const [stats, setStats] = useState<Stats | 'gone' | null>(null);
  useEffect(() => {
    const asked = new AbortController();
    const ask = () => {
      if (document.visibilityState === 'hidden') return;
      getStats(asked.signal).then(setStats, (error: unknown) => {
        // A console that reads its traces from elsewhere counts nothing.
        if (!asked.signal.aborted) setStats(error instanceof ApiError && isNotHere(error) ? null : 'gone');
      });
    };
    ask();
    const timer = setInterval(ask, EVERY_MS);
    document.addEventListener('visibilitychange', ask);
    return () => {
      asked.abort();
      clearInterval(timer);
      document.removeEventListener('visibilitychange', ask);
    };
  }, []);
  return stats;
}

/** Received, stored, dropped, pruned: what the console does to one's data is never a secret. */
export function StatsStrip({ stats }: { stats: Stats | 'gone' | null }) {
  if (stats === 'gone') {
    return (
      <footer className="stats" role="status">
        <span className="bad">The console does not answer.</span>
      </footer>
    );
  }
  if (stats === null) return <footer className="stats" />;
  if (stats.store !== undefined) {
    return (
      <footer className="stats">
        <span>Reads ClickHouse, receives nothing</span>
        <span className="spacer" />
        <span title="What the table holds now">{plural(stats.spans, 'span')}</span>
      </footer>
    );
  }
  const dropped = sum(stats.dropped);
  const refusedRequests = sum(stats.refused_requests);
  const ignored = sum(stats.ignored);
  const share = stats.bytes / stats.max_bytes;
  return (
    <footer className="stats" aria-label="What the console received">
      <Count of={(stats.received['otlp'] ?? 0) + (stats.received['xray'] ?? 0)} what="spans" title={`Received since the console started: ${reasons(stats.received)}`} />
      {stats.received['cloudwatch'] !== undefined && <Count of={stats.received['cloudwatch']} what="log lines" title="Received since the console started" />}
      {stats.received['rollbar'] !== undefined && <Count of={stats.received['rollbar']} what={stats.received['rollbar'] === 1 ? 'error received' : 'errors received'} title="Received since the console started" />}
      <Count of={sum(stats.stored)} what="stored" title={`Committed to disk since then: ${reasons(stats.stored)}`} />
      {sum(stats.duplicates) > 0 && <Count of={sum(stats.duplicates)} what="twice" title={`Had come before, the first copy stays: ${reasons(stats.duplicates)}`} />}
      <Count of={dropped} what="dropped" bad={dropped > 0} title={[reasons(stats.dropped), reasons(stats.refused)].filter(Boolean).join('; ') || 'What could not be kept'} />
      {refusedRequests > 0 && <Count of={refusedRequests} what="requests refused" bad title={reasons(stats.refused_requests)} />}
      {ignored > 0 && <Count of={ignored} what="logs and metrics not kept" title={reasons(stats.ignored)} />}
      <Count of={stats.pruned.spans} what="pruned" title={`${plural(stats.pruned.traces, 'trace')} pruned, oldest first, to stay within the limit`} />
      <span className="spacer" />
      <span title="What the store holds now">
        {plural(stats.traces, 'trace')} · {plural(stats.spans, 'span')}
      </span>
      <span className="disk" title={`${bytes(stats.bytes)} of at most ${bytes(stats.max_bytes)}`}>
        <meter min={0} max={1} value={share} aria-label="Share of the disk space that the console may use" />
        {bytes(stats.bytes)} of {bytes(stats.max_bytes)}
      </span>
    </footer>
  );
}

function Count({ of, what, title, bad = false }: { of: number; what: string; title: string; bad?: boolean }) {
  return (
    <span title={title} {...(bad && { className: 'bad' })}>
      <b>{count(of)}</b> {what}
    </span>
  );
}

function sum(counts: Readonly<Record<string, number>>): number {
  return Object.values(counts).reduce((total, each) => total + each, 0);
}

function reasons(counts: Readonly<Record<string, number>>): string {
  return Object.entries(counts)
    .filter(([, each]) => each > 0)
    .map(([reason, each]) => `${reason.replaceAll('_', ' ')}: ${count(each)}`)
    .join(', ');
}
