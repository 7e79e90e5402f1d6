import { xrayTraceId } from '../ids';
import { TraceLink } from './FailureNote';
import { useCopy, useLastAction } from './hooks';
import { Icon } from './marks';

/** The trace of the last thing that was done here: the way from the click to what it caused. */
export function TracePanel() {
  const action = useLastAction();
  if (!action) return null;
  const { name, traceId, sampled, milliseconds, failed } = action;
  return (
    <section className="trace-panel" aria-label="Trace of the last action">
      <h2>
        <span className={`pulse${milliseconds === undefined ? ' pulse-running' : ''}${failed ? ' pulse-failed' : ''}`} />
        Your last action, traced
      </h2>
      <p className="trace-name">
        <strong>{name}</strong>
        <span className="trace-time">{milliseconds === undefined ? '…' : `${Math.round(milliseconds)} ms`}</span>
      </p>
      {sampled ? (
        <>
          <Ids traceId={traceId} />
          <TraceLink id={traceId}>
            <span>
              <span className="wide">Open this </span>trace
            </span>
          </TraceLink>
        </>
      ) : (
        <p className="trace-unsampled">Not among the traces that are kept.</p>
      )}
    </section>
  );
}

function Ids({ traceId }: { traceId: string }) {
  const { copied, copy } = useCopy(traceId);
  return (
    <p className="trace-ids">
      <code title={`W3C: ${traceId}\nX-Ray: ${xrayTraceId(traceId)}`}>
        {traceId.slice(0, 8)}…{traceId.slice(-6)}
      </code>
      <button type="button" className="quiet" onClick={copy} aria-label="Copy the trace id">
        <Icon name="copy" />
        <span aria-live="polite">{copied ? 'Copied' : ''}</span>
      </button>
    </p>
  );
}
