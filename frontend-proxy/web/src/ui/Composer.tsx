import { useId, useState } from 'react';
import type { FormEvent, KeyboardEvent } from 'react';

import { MAX_MESSAGE, TIMES_TO_LIVE } from '../api';
import type { TimeToLive } from '../api';
import { submitPost, submitReply } from '../app';
import { failureOf } from '../state';
import type { Failure } from '../state';
import { FailureNote } from './FailureNote';
import { useUser } from './hooks';
import { Link } from './Link';
import { Avatar, Ring } from './marks';

/** Writes a post, or a reply when `replyTo` is given. Strangers are asked in. */
export function Composer({ replyTo }: { replyTo?: string }) {
  const user = useUser();
  if (!user) return <Invitation reply={replyTo !== undefined} />;
  return <Form handle={user.handle} name={user.display_name} replyTo={replyTo} />;
}

/** What was begun and not sent, by the post it answers. It outlives a look elsewhere, and signing in again. */
const drafts = new Map<string | undefined, string>();

function Form({ handle, name, replyTo }: { handle: string; name: string; replyTo: string | undefined }) {
  const id = useId();
  const [message, setDraft] = useState(drafts.get(replyTo) ?? '');
  const [ttl, setTtl] = useState<TimeToLive>('7-days');
  const [sending, setSending] = useState(false);
  const [failure, setFailure] = useState<Failure | null>(null);

  const setMessage = (text: string) => {
    setDraft(text);
    drafts.set(replyTo, text);
  };
  const left = MAX_MESSAGE - lengthOf(message);
  const ready = message.trim() !== '' && left >= 0 && !sending;
  const label = replyTo === undefined ? 'New post' : 'Your reply';

  const submit = async (event?: FormEvent) => {
    event?.preventDefault();
    if (!ready) return;
    setSending(true);
    setFailure(null);
    try {
      await (replyTo === undefined ? submitPost(message.trim(), ttl) : submitReply(replyTo, message.trim()));
      setMessage('');
    } catch (error) {
      // The text stays: it may be the only copy.
      setFailure(failureOf(error));
    } finally {
      setSending(false);
    }
  };

  const keys = (event: KeyboardEvent<HTMLTextAreaElement>) => {
    if (event.key === 'Enter' && (event.ctrlKey || event.metaKey)) void submit();
    if (event.key === 'Escape') event.currentTarget.blur();
  };

  return (
    <form className="composer" onSubmit={(event) => void submit(event)} aria-label={label}>
      <Avatar handle={handle} name={name} />
      <div className="composer-body">
        <label className="hidden" htmlFor={`${id}-message`}>
          {label}
        </label>
        <textarea
          id={`${id}-message`}
          className="composer-text"
          data-composer
          rows={replyTo === undefined ? 3 : 2}
          placeholder={replyTo === undefined ? 'What is washing up today?' : 'Write a reply'}
          value={message}
          onChange={(event) => setMessage(event.target.value)}
          onKeyDown={keys}
          aria-describedby={`${id}-left`}
          aria-invalid={left < 0}
        />
        <div className="composer-foot">
          {replyTo === undefined && (
            <label className="composer-ttl">
              <span>Stays for</span>
              <span className="select">
                <select value={ttl} onChange={(event) => setTtl(event.target.value as TimeToLive)}>
                  {Object.entries(TIMES_TO_LIVE).map(([value, words]) => (
                    <option key={value} value={value}>
                      {words}
                    </option>
                  ))}
                </select>
              </span>
            </label>
          )}
          <span id={`${id}-left`} className={`counter${left < 0 ? ' counter-over' : left <= 20 ? ' counter-near' : ''}`}>
            <Ring share={Math.max(0, Math.min(1, 1 - left / MAX_MESSAGE))} />
            <span className={left <= 40 ? '' : 'hidden'}>
              {left} <span className="hidden">characters left</span>
            </span>
          </span>
          <button className="button button-primary" type="submit" disabled={!ready}>
            {sending ? 'Sending…' : replyTo === undefined ? 'Post' : 'Reply'}
          </button>
        </div>
        {failure && <FailureNote failure={failure} retry={() => void submit()} />}
      </div>
    </form>
  );
}

function Invitation({ reply }: { reply: boolean }) {
  const next = encodeURIComponent(location.pathname + location.search);
  return (
    <div className="invitation">
      <p>{reply ? 'Sign in to reply.' : 'Posts here go out with the tide. Sign in to add yours.'}</p>
      <div>
        <Link className="button button-primary" to={`/sign-in?next=${next}`}>
          Sign in
        </Link>
        <Link className="button" to={`/sign-up?next=${next}`}>
          Sign up
        </Link>
      </div>
    </div>
  );
}

/** As the server counts: characters, not UTF-16 units, without the space around. */
export function lengthOf(message: string): number {
  return [...message.trim()].length;
}
