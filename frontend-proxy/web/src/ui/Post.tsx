import type { MouseEvent } from 'react';

import { navigate } from '../app';
import type { Activity } from '../shapes';
import { Link } from './Link';
import { Avatar, Icon, Ring } from './marks';
import { ago, left } from './time';

interface PostProps {
  readonly activity: Activity;
  readonly now: number;
  /** Its place in the feed, from 1. Absent for the one post that a page is about. */
  readonly place?: number;
}

export function Post({ activity, now, place }: PostProps) {
  const { uuid, message, created_at, expires_at, replies_count, user } = activity;
  const address = `/post/${uuid}`;
  const lead = place === undefined;
  const life = expires_at === null ? null : left(created_at, expires_at, now);

  // The whole post is a target for the mouse; for everyone else its time is the link. A click that
  // ends a selection, or that meant another link, does not count.
  const openByMouse = (event: MouseEvent<HTMLElement>) => {
    if ((event.target as Element).closest('a, button') || getSelection()?.toString()) return;
    void navigate(address);
  };

  return (
    <article
      className={`post${lead ? ' post-lead' : ''}${life && life.share < 0.1 ? ' post-ebbing' : ''}`}
      tabIndex={-1}
      data-address={address}
      aria-labelledby={`by-${uuid}`}
      aria-describedby={`says-${uuid}`}
      {...(lead ? {} : { onClick: openByMouse, 'aria-posinset': place, 'aria-setsize': -1 })}
    >
      <Avatar handle={user?.handle ?? uuid} name={user?.display_name ?? '?'} />
      <div className="post-body">
        <header className="post-head">
          <span id={`by-${uuid}`} className="post-by">
            {user ? (
              <Link to={`/@${user.handle}`} className="post-author">
                <strong>{user.display_name}</strong> <span className="handle">@{user.handle}</span>
              </Link>
            ) : (
              <strong className="post-author">Someone</strong>
            )}
          </span>
          <Link to={address} className="post-time">
            <time dateTime={created_at} title={new Date(created_at).toLocaleString()}>
              {ago(created_at, now)}
            </time>
          </Link>
        </header>
        <p id={`says-${uuid}`} className="post-message">
          {message}
        </p>
        <footer className="post-foot">
          <Link to={address} className="post-replies" aria-label={`${replies_count} ${replies_count === 1 ? 'reply' : 'replies'}`}>
            <Icon name="reply" /> {replies_count}
          </Link>
          {life && (
            <span className="post-life" title={`Goes out with the tide on ${new Date(expires_at ?? 0).toLocaleString()}`}>
              <Ring share={life.share} /> {life.words}
            </span>
          )}
        </footer>
      </div>
    </article>
  );
}
