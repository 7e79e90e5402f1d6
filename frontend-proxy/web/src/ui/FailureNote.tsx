import type { MouseEvent, ReactNode } from 'react';

import { reload } from '../app';
import { consoleLink } from '../page';
import type { Failure } from '../state';
import { flush } from '../telemetry';
import { useCopy } from './hooks';
import { Link } from './Link';
import { Icon } from './marks';

/** What went wrong, and the trace id that leads to why. */
export function FailureNote({ failure, retry }: { failure: Failure; retry?: () => void }) {
  return (
    <section className="failure" role="alert">
      <h2>{failure.title}</h2>
      <p>{failure.detail}</p>
      {failure.traceId && <TraceId id={failure.traceId} />}
      <div className="failure-ways">
        {failure.status === 401 && (
          <Link className="button" to={`/sign-in?next=${encodeURIComponent(location.pathname + location.search)}`}>
            Sign in
          </Link>
        )}
        {retry && failure.status !== 401 && failure.status !== 404 && (
          <button className="button" type="button" onClick={retry}>
            Try again
          </button>
        )}
        {failure.status === 404 && (
          <Link className="button" to="/">
            Back to the feed
          </Link>
        )}
      </div>
    </section>
  );
}

/** A page that could not be loaded. */
export function FailedPage({ failure }: { failure: Failure }) {
  return <FailureNote failure={failure} retry={() => void reload()} />;
}

function TraceId({ id }: { id: string }) {
  const { copied, copy } = useCopy(id);
  return (
    <p className="trace-id">
      <span className="trace-id-label">Trace</span>
      <code>{id}</code>
      <button type="button" className="quiet" onClick={copy} aria-label="Copy the trace id">
        <Icon name="copy" />
        <span aria-live="polite">{copied ? 'Copied' : 'Copy'}</span>
      </button>
      <TraceLink id={id}>See what happened</TraceLink>
    </p>
  );
}

/** A link to a trace in the console. Sends the waiting spans first, so that the trace is whole when it opens. */
export function TraceLink({ id, children }: { id: string; children: ReactNode }) {
  const follow = async (event: MouseEvent<HTMLAnchorElement>) => {
    if (event.button !== 0 || event.metaKey || event.ctrlKey || event.shiftKey) return;
    event.preventDefault();
    // The tab is opened within the click, else the browser takes it for a pop-up.
    const tab = window.open('', '_blank');
    await flush();
    if (!tab) return location.assign(consoleLink(id));
    tab.opener = null;
    tab.location.replace(consoleLink(id));
  };
  return (
    <a className="trace-link" href={consoleLink(id)} target="_blank" rel="noopener" data-trace-id={id} onClick={(event) => void follow(event)}>
      {children}
      <Icon name="open" />
    </a>
  );
}
