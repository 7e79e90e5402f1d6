import { useState } from 'react';
import type { FormEvent } from 'react';

import { signIn, signUp } from '../app';
import { failureOf } from '../state';
import type { Failure } from '../state';
import { FailureNote } from './FailureNote';
import { Link } from './Link';

/** Sign-in and sign-up: the same form, one field apart. */
export function SignForm({ fresh }: { fresh: boolean }) {
  const [busy, setBusy] = useState(false);
  const [failure, setFailure] = useState<Failure | null>(null);

  const submit = async (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    const field = (name: string) => String(new FormData(event.currentTarget).get(name) ?? '');
    const handle = field('handle').trim().replace(/^@/, '');
    const asked = fresh ? signUp(handle, field('email').trim(), field('password')) : signIn(handle, field('password'));
    setBusy(true);
    setFailure(null);
    try {
      await asked;
    } catch (error) {
      const failure = failureOf(error);
      // On this page 401 means a wrong password, and "sign in" is no advice.
      setFailure(failure.status === 401 ? { ...failure, status: null } : failure);
      setBusy(false);
    }
  };

  return (
    <form className="sign-form" onSubmit={(event) => void submit(event)}>
      <label>
        Handle
        <span className="prefixed">
          <span aria-hidden="true">@</span>
          <input name="handle" autoComplete="username" autoCapitalize="none" spellCheck={false} required />
        </span>
      </label>
      {fresh && (
        <label>
          E-mail
          <input name="email" type="email" autoComplete="email" required />
        </label>
      )}
      <label>
        Password
        <input name="password" type="password" autoComplete={fresh ? 'new-password' : 'current-password'} required minLength={fresh ? 8 : undefined} />
      </label>
      {failure && <FailureNote failure={failure} />}
      <button className="button button-primary" type="submit" disabled={busy}>
        {busy ? 'One moment…' : fresh ? 'Sign up' : 'Sign in'}
      </button>
      <p className="sign-other">
        {fresh ? 'Here before? ' : 'New here? '}
        <Link to={(fresh ? '/sign-in' : '/sign-up') + location.search}>{fresh ? 'Sign in' : 'Sign up'}</Link>
      </p>
    </form>
  );
}
