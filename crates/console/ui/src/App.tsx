import { useEffect, useRef } from 'react';

import { ComparePage } from './compare/ComparePage';
import { ROUTES, match } from './routes';
import type { Page } from './routes';
import { findTraceId } from './shared/ids';
import { useKeys, useSequences } from './shared/keys';
import type { KeyHelp } from './shared/keys';
import { Link } from './shared/Link';
import { navigate, useAddress } from './shared/location';
import { Icon, Logo } from './shared/marks';
import { StatsStrip, useStats } from './shared/Stats';
import type { ViewProps } from './shared/view';
import { TracePage } from './trace/TracePage';
import { HELP, VIEWS } from './views';

/** Where a page without an entry of its own in the navigation belongs. */
const SECTION: Readonly<Record<string, string>> = { trace: 'traces', compare: 'traces' };

const EVERYWHERE: KeyHelp = {
  where: 'Everywhere',
  keys: [
    { key: '?', does: 'This help' },
    { key: '/', does: 'Search, or open a trace by its id' },
    ...ROUTES.map(({ key, title }) => ({ key: `g ${key}`, does: title })),
  ],
};

export function App() {
  const address = useAddress();
  const page = match(new URL(address, location.origin).pathname);
  const help = useRef<HTMLDialogElement>(null);
  const stats = useStats();
  const section = SECTION[page.kind] ?? page.kind;

  // The keys of this page come first, and the top of them is what one sees.
  const keys = Object.entries(HELP).sort(([a], [b]) => Number(b === page.kind) - Number(a === page.kind));
  const openHelp = () => {
    help.current?.showModal();
    help.current?.focus();
  };

  useKeys({
    '?': openHelp,
    '/': () => document.querySelector<HTMLInputElement>('[data-search]')?.focus(),
  });
  useSequences('g', Object.fromEntries(ROUTES.map(({ key, path }) => [key, () => navigate(path)])));

  return (
    <div className="frame">
      <header className="top">
        <Link to="/" className="home-link" aria-label="Throughline console, home">
          <Logo />
          <span>
            throughline <b>console</b>
          </span>
        </Link>
        <nav aria-label="Main">
          {ROUTES.map(({ kind, path, title, key }) => (
            <Link key={kind} to={path} title={`g ${key}`} {...(section === kind && { 'aria-current': 'page' as const })}>
              {title}
            </Link>
          ))}
        </nav>
        <OpenById hasSearch={!['trace', 'xray', 'errors', 'logs'].includes(page.kind)} />
        <button type="button" className="quiet" onClick={openHelp}>
          Keys <kbd>?</kbd>
        </button>
      </header>
      <View page={page} address={address} stats={stats} />
      <StatsStrip stats={stats} />
      <dialog ref={help} className="help" tabIndex={-1} aria-label="Keys" onClick={(event) => event.target === event.currentTarget && event.currentTarget.close()}>
        <form method="dialog">
          {[EVERYWHERE, ...keys.map(([, each]) => each)].filter((each) => each.keys.length > 0).map(({ where, keys }) => (
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

function View({ page, address, stats }: { page: Page; address: string; stats: ViewProps['stats'] }) {
  if (page.kind === 'trace') return <TracePage key={page.id} id={page.id} address={address} />;
  if (page.kind === 'compare') return <ComparePage left={page.left} right={page.right} address={address} />;
  if (page.kind === 'not-found') return <NotFound />;
  const Content = VIEWS[page.kind];
  return <Content address={address} rest={page.rest} stats={stats} />;
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
        <Link to="/traces">Recent traces</Link>
      </p>
    </main>
  );
}
