import type { ApiError } from './api';
import { Link } from './Link';

/** Whether the console has no such thing at all: one that reads its traces from elsewhere (`--store`) keeps no errors, logs or X-Ray documents. */
export function isNotHere({ status }: ApiError): boolean {
  return status === 501;
}

/** In the place of a view that this console cannot fill, in the console's own words. */
export function NotHere({ view, failure }: { view: string; failure: ApiError }) {
  return (
    <main className="note">
      <h1>{view}: not on this console</h1>
      <p role="status">{sentence(failure.detail || 'it keeps none of this')}</p>
      <p>
        <Link to="/traces">Its traces</Link> · <Link to="/query">Ask about them</Link>
      </p>
    </main>
  );
}

function sentence(text: string): string {
  return `${text.charAt(0).toUpperCase()}${text.slice(1)}${text.endsWith('.') ? '' : '.'}`;
}
