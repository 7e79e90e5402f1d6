import { useCallback, useEffect, useRef } from 'react';
import type { ReactNode } from 'react';

import { signOut, useApp } from '../app';
import { searchTerm } from '../routes';
import type { PageKind } from '../routes';
import type { State } from '../state';
import { FailedPage } from './FailureNote';
import { Skeleton } from './Feed';
import { useUser } from './hooks';
import { KEYS, useKeys } from './keys';
import { Laboratory } from './Laboratory';
import { Link } from './Link';
import { Avatar, Icon, Wordmark } from './marks';
import { PageBody, SearchBox } from './pages';
import { TracePanel } from './TracePanel';

export function App() {
  const state = useApp();
  const heading = useRef<HTMLHeadingElement>(null);
  const help = useRef<HTMLDialogElement>(null);
  const showHelp = useCallback(() => help.current?.showModal(), []);
  useKeys(showHelp);

  const title = titleOf(state);
  useEffect(() => {
    document.title = title === 'Cruddur' ? title : `${title} · Cruddur`;
  }, [title]);

  // After a navigation the heading gets the focus: a screen reader says where one is, and Tab goes on
  // from there. Not on the first page, where the browser does it.
  useEffect(() => {
    if (state.visit > 1) heading.current?.focus({ preventScroll: true });
  }, [state.visit]);

  return (
    <>
      <a className="skip" href="#main">
        Skip to the posts
      </a>
      <div className="frame">
        <Sidebar kind={state.kind} showHelp={showHelp} />
        <main id="main" tabIndex={-1} aria-busy={state.view.phase === 'loading'}>
          <header className="page-head">
            {state.kind !== 'home' && (
              <button type="button" className="quiet back" aria-label="Back" onClick={() => history.back()}>
                <Icon name="back" />
              </button>
            )}
            <h1 ref={heading} tabIndex={-1}>
              {state.kind === 'home' ? 'Home' : title}
            </h1>
          </header>
          {state.kind === 'search' && <SearchBox term={searchTerm(state.address)} />}
          <Content state={state} />
        </main>
        <aside className="side" aria-label="Search and trace">
          {state.kind !== 'search' && <SearchBox />}
          <TracePanel />
          <Laboratory />
        </aside>
      </div>
      <dialog ref={help} className="help" aria-label="Keyboard" onClick={(event) => event.target === event.currentTarget && event.currentTarget.close()}>
        <form method="dialog">
          <h2>Keyboard</h2>
          <dl>
            {KEYS.map(({ key, does }) => (
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
          <button className="button" type="submit">
            Close
          </button>
        </form>
      </dialog>
    </>
  );
}

function Content({ state }: { state: State }) {
  const { view } = state;
  switch (view.phase) {
    case 'loading':
      return <Skeleton posts={state.kind === 'post' ? 3 : 6} />;
    case 'failed':
      return <FailedPage failure={view.failure} />;
    case 'ready':
      return <PageBody page={view.page} />;
  }
}

function Sidebar({ kind, showHelp }: { kind: PageKind; showHelp: () => void }) {
  const user = useUser();
  const address = useApp().address;
  return (
    <header className="rail">
      <Link to="/" className="rail-home" aria-label="Cruddur, home">
        <Wordmark />
      </Link>
      <nav aria-label="Main">
        <Tab to="/" icon="home" current={kind === 'home'}>
          Home
        </Tab>
        <Tab to="/search" icon="search" current={kind === 'search'}>
          Search
        </Tab>
        {user && (
          <Tab to="/notifications" icon="bell" current={kind === 'notifications'}>
            Notifications
          </Tab>
        )}
        {user ? (
          <Tab to={`/@${user.handle}`} icon="person" current={address === `/@${user.handle}`}>
            Profile
          </Tab>
        ) : (
          <Tab to="/sign-in" icon="person" current={kind === 'sign-in' || kind === 'sign-up'}>
            Sign in
          </Tab>
        )}
      </nav>
      <div className="rail-foot">
        <button type="button" className="quiet rail-keys" onClick={showHelp}>
          <Icon name="keys" />
          <span>Keyboard</span> <kbd>?</kbd>
        </button>
        {user && (
          <div className="rail-user">
            <Avatar handle={user.handle} name={user.display_name} />
            <span className="rail-who">
              <strong>{user.display_name}</strong>
              <span className="handle">@{user.handle}</span>
            </span>
            <button type="button" className="quiet" onClick={() => void signOut()} aria-label="Sign out" title="Sign out">
              <Icon name="leave" />
            </button>
          </div>
        )}
      </div>
    </header>
  );
}

function Tab({ to, icon, current, children }: { to: string; icon: Parameters<typeof Icon>[0]['name']; current: boolean; children: ReactNode }) {
  return (
    <Link to={to} className="tab" {...(current && { 'aria-current': 'page' as const })}>
      <Icon name={icon} />
      <span>{children}</span>
    </Link>
  );
}

function titleOf({ kind, view }: State): string {
  const page = view.phase === 'ready' ? view.page : null;
  switch (kind) {
    case 'home':
      return 'Cruddur';
    case 'profile':
      return page?.kind === 'profile' ? page.user.display_name : 'Profile';
    case 'post':
      return 'Post';
    case 'search':
      return 'Search';
    case 'notifications':
      return 'Notifications';
    case 'sign-in':
      return 'Sign in';
    case 'sign-up':
      return 'Sign up';
    case 'not-found':
      return 'Not found';
  }
}
