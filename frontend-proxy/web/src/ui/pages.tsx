import type { FormEvent } from 'react';

import { navigate } from '../app';
import type { Page } from '../routes';
import type { Notification, User } from '../shapes';
import { Composer } from './Composer';
import { Empty, Feed, More } from './Feed';
import { useNow } from './hooks';
import { Link } from './Link';
import { Avatar, Icon } from './marks';
import { Post } from './Post';
import { SignForm } from './SignForm';

export function PageBody({ page }: { page: Page }) {
  switch (page.kind) {
    case 'home':
      return (
        <>
          <Composer />
          <Feed label="Home feed" {...page.feed} empty={<p>Nothing here yet. Be the first to post.</p>} />
        </>
      );
    case 'profile':
      return (
        <>
          <ProfileHead user={page.user} />
          <Feed label={`Posts by ${page.user.display_name}`} {...page.feed} empty={<p>The tide has taken everything {page.user.display_name} posted.</p>} />
        </>
      );
    case 'post':
      return <Thread page={page} />;
    case 'search':
      return page.feed ? (
        <Feed label={`Posts about ${page.term}`} {...page.feed} empty={<p>Nothing afloat about “{page.term}”. Try another word.</p>} />
      ) : (
        <Empty>
          <p>Search in every post that is still afloat.</p>
        </Empty>
      );
    case 'notifications':
      return <Notifications items={page.items} next={page.next} />;
    case 'sign-in':
    case 'sign-up':
      return <SignForm key={page.kind} fresh={page.kind === 'sign-up'} />;
    case 'not-found':
      return (
        <Empty>
          <p>Nothing lives at this address.</p>
          <Link className="button" to="/">
            Back to the feed
          </Link>
        </Empty>
      );
  }
}

function ProfileHead({ user }: { user: User }) {
  return (
    <section className="profile" aria-label="Profile">
      <Avatar handle={user.handle} name={user.display_name} large />
      <div>
        <p className="profile-name">{user.display_name}</p>
        <p className="handle">@{user.handle}</p>
        {user.bio && <p className="profile-bio">{user.bio}</p>}
        {user.created_at && (
          <p className="profile-since">
            Here since {new Date(user.created_at).toLocaleDateString(undefined, { month: 'long', year: 'numeric' })}
          </p>
        )}
      </div>
    </section>
  );
}

function Thread({ page }: { page: Extract<Page, { kind: 'post' }> }) {
  const now = useNow();
  const { post, replies } = page;
  return (
    <>
      {post.reply_to_activity_uuid && (
        <p className="thread-parent">
          <Icon name="reply" /> A reply to <Link to={`/post/${post.reply_to_activity_uuid}`}>an earlier post</Link>
        </p>
      )}
      <Post activity={post} now={now} />
      <Composer key={post.uuid} replyTo={post.uuid} />
      {replies.length === 0 ? (
        <p className="feed-end">No replies yet.</p>
      ) : (
        <div role="feed" aria-label="Replies">
          {replies.map((reply, index) => (
            <Post key={reply.uuid} activity={reply} now={now} place={index + 1} />
          ))}
        </div>
      )}
    </>
  );
}

export function SearchBox({ term = '' }: { term?: string }) {
  const submit = (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    const asked = String(new FormData(event.currentTarget).get('term') ?? '').trim();
    if (asked) void navigate(`/search?term=${encodeURIComponent(asked)}`);
  };
  return (
    <form className="search" role="search" onSubmit={submit}>
      <Icon name="search" />
      <input key={term} name="term" type="search" data-search defaultValue={term} placeholder="Search posts" aria-label="Search posts" />
      <kbd aria-hidden="true">/</kbd>
    </form>
  );
}

function Notifications({ items, next }: { items: readonly Notification[]; next: string | null }) {
  const now = useNow();
  if (items.length === 0) {
    return (
      <Empty>
        <p>All quiet. When someone replies to you, it washes up here.</p>
      </Empty>
    );
  }
  return (
    <>
      <div role="feed" aria-label="Notifications">
        {items.map((item, index) => (
          <div className="notification" key={item.uuid}>
            <p className="notification-what">
              <Icon name="reply" />
              {item.kind === 'reply' ? 'Replied to your post' : item.kind}
            </p>
            <Post activity={item.activity} now={now} place={index + 1} />
          </div>
        ))}
      </div>
      <More next={next} />
    </>
  );
}
