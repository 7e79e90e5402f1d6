import { useState } from 'react';

import { ApiError } from '../shared/api';
import { postJson } from '../shared/ask';
import { navigate } from '../shared/location';

/** By the names that the services know (docs/laboratory.md), with what people read. */
const FAULTS = {
  'missing-index': 'A missing index',
  'n-plus-one': 'One query for each post',
  'lock-wait': 'A lock that another holds',
  deadlock: 'A deadlock',
  'pool-of-one': 'A pool of one connection',
  'slow-commit': 'A slow commit',
  'stale-statistics': 'Stale statistics',
} as const;

type Fault = keyof typeof FAULTS;

/** Makes a request of the demonstration have a fault, and opens its trace. */
export function Laboratory() {
  const [asked, setAsked] = useState<Fault | null>(null);
  const [failure, setFailure] = useState<ApiError | null>(null);

  const ask = async (fault: Fault) => {
    setAsked(fault);
    setFailure(null);
    try {
      const { trace_id } = await postJson<{ trace_id: string; status: number }>('/api/laboratory', { fault });
      navigate(`/trace/${trace_id}`);
    } catch (error) {
      setFailure(error instanceof ApiError ? error : new ApiError(0, String(error), ''));
      setAsked(null);
    }
  };

  return (
    <section className="laboratory" aria-label="Laboratory">
      <p>The laboratory: ask for the home feed with one fault of its database, and look at the trace.</p>
      <div>
        {(Object.keys(FAULTS) as Fault[]).map((fault) => (
          <button key={fault} type="button" aria-busy={asked === fault} disabled={asked !== null} onClick={() => void ask(fault)}>
            {FAULTS[fault]}
          </button>
        ))}
      </div>
      {failure && (
        <p role="alert">
          {failure.title}. {failure.detail}
        </p>
      )}
    </section>
  );
}
