import type { ReactNode } from 'react';

import { loadMore, useApp } from '../app';
import type { Activity } from '../shapes';
import { FailureNote } from './FailureNote';
import { useNow } from './hooks';
import { Shore } from './marks';
import { Post } from './Post';

/** Posts, newest first, and the way to older ones. */
export function Feed({ label, activities, next, empty }: { label: string; activities: readonly Activity[]; next: string | null; empty: ReactNode }) {
  const { more } = useApp();
  const now = useNow();
  if (activities.length === 0) return <Empty>{empty}</Empty>;
  return (
    <>
      <div role="feed" aria-label={label} aria-busy={more.loading}>
        {activities.map((activity, index) => (
          <Post key={activity.uuid} activity={activity} now={now} place={index + 1} />
        ))}
      </div>
      <More next={next} />
    </>
  );
}

export function More({ next }: { next: string | null }) {
  const { more } = useApp();
  if (more.failure) return <FailureNote failure={more.failure} retry={() => void loadMore()} />;
  if (next === null) return <p className="feed-end">That is all there is.</p>;
  return (
    <div className="feed-more">
      <button type="button" className="button" onClick={() => void loadMore()} disabled={more.loading}>
        {more.loading ? 'Loading…' : 'Load more'}
      </button>
    </div>
  );
}

export function Empty({ children }: { children: ReactNode }) {
  return (
    <div className="empty">
      <Shore />
      <div>{children}</div>
    </div>
  );
}

/** The outline of a feed that is on its way. */
export function Skeleton({ posts = 5 }: { posts?: number }) {
  return (
    <div className="skeleton" role="status" aria-label="Loading">
      {Array.from({ length: posts }, (_, index) => (
        <div className="post" key={index} aria-hidden="true">
          <span className="bone bone-avatar" />
          <div className="post-body">
            <span className="bone bone-name" />
            <span className="bone" />
            <span className="bone bone-short" />
          </div>
        </div>
      ))}
    </div>
  );
}
