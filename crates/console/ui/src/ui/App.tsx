import { useEffect, useRef } from 'react';

import { findTraceId } from '../ids';
import { match, navigate, useAddress } from '../location';
import { Home } from './Home';
import { HELP, useKeys } from './keys';
import { Link } from './Link';
import { Icon, Logo } from './marks';
import { SetUpPage } from './SetUp';
import { StatsStrip, useStats } from './Stats';
import { TracePage } from './TracePage';

export function App() {
  const address = useAddress();
  const page = match(new URL(address, location.origin).pathname);
  const help = useRef<HTMLDialogElement>(null);
  const stats = useStats();

  useKeys({
    '?': () => help.current?.showModal(),
    '/': () => document.querySelector<HTMLInputElement>('[data-search]')?.focus(),
    h: () => navigate('/'),
  });

  return (
    <div className="frame">
      <header className="top">
        <Link to="/" className="home-link" aria-label="Recent traces">
          <Logo />
          <span>
            throughline <b>console</b>
          </span>
        </Link>
        <nav aria-label="Main">
          <Link to="/" {...(page.kind === 'home' && { 'aria-current': 'page' as const })}>
            Traces
          </Link>
          <Link to="/set-up" {...(page.kind === 'set-up' && { 'aria-current': 'page' as const })}>
            Set up
          </Link>
        </nav>
        <OpenById hasSearch={page.kind !== 'trace'} />
        <button type="button" className="quiet" onClick={() => help.current?.showModal()}>
          Keys <kbd>?</kbd>
        </button>
      </header>
      {page.kind === 'home' && <Home address={address} stats={stats} />}
      {page.kind === 'set-up' && <SetUpPage stats={stats} />}
      {page.kind === 'trace' && <TracePage key={page.id} id={page.id} address={address} />}
      {page.kind === 'not-found' && <NotFound />}
      <StatsStrip stats={stats} />
      <dialog ref={help} className="help" aria-label="Keys" onClick={(event) => event.target === event.currentTarget && event.currentTarget.close()}>
        <form method="dialog">
          {HELP.map(({ where, keys }) => (
            <section key={where}>
              <h2>{where}</h2>
              <dl>
                {keys.map(({ key, does }) => (
                  <div key={key}>
                    <dt>
                      {key.split(' ').map((part) => (
                        <kbd key={part}>{part}</kbd>
                      ))}
                    </dt>
                    <dd>{does}</dd>
                  </div>
                ))}
              </dl>
            </section>
          ))}
          <button type="submit" className="button">
            Close
          </button>
        </form>
      </dialog>
    </div>
  );
}

/** Opens a trace by anything that holds its id: either spelling, a header, an address, a log line. */
function OpenById({ hasSearch }: { hasSearch: boolean }) {
  const field = useRef<HTMLInputElement>(null);
  const open = (event: React.FormEvent) => {
    event.preventDefault();
    const input = field.current;
    if (!input) return;
    const id = findTraceId(input.value);
    input.setCustomValidity(id === null ? 'No trace id in this: it has 32 hex digits, or is 1-8-24 of them' : '');
    if (id === null) {
      input.reportValidity();
      return;
    }
    input.value = '';
    input.blur();
    navigate(`/trace/${id}`);
  };
  return (
    <form className="open-by-id" role="search" onSubmit={open}>
      <Icon name="search" />
      <input
        ref={field}
        type="text"
        name="trace"
        aria-label="Open a trace by its id"
        placeholder="Trace id, traceparent or X-Ray header"
        autoComplete="off"
        spellCheck={false}
        onInput={(event) => event.currentTarget.setCustomValidity('')}
        {...(hasSearch && { 'data-search': '' })}
      />
      {hasSearch && <kbd>/</kbd>}
    </form>
  );
}

function NotFound() {
  useEffect(() => {
    document.title = 'Not found · Throughline';
  }, []);
  return (
    <main className="note">
      <h1>Nothing lives here</h1>
      <p>A trace has the address <code>/trace/</code> and its id: 32 hex digits, or X-Ray’s <code>1-8-24</code>.</p>
      <p>
        <Link to="/">Recent traces</Link>
      </p>
    </main>
  );
}
