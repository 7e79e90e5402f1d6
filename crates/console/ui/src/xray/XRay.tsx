import './xray.css';

import { parseTraceId } from '../shared/ids';
import type { KeyHelp } from '../shared/keys';
import { Link } from '../shared/Link';
import type { ViewProps } from '../shared/view';
import { Overview } from './Overview';
import { XrayTrace } from './TracePage';

export const XRAY_KEYS: KeyHelp = {
  where: 'X-Ray',
  keys: [
    { key: 'j k', does: 'Next, previous trace or segment (also the arrow keys)' },
    { key: 'Enter', does: 'Open the trace; details of the segment' },
    { key: 'e', does: 'Only traces that did not end well; the next such segment' },
    { key: '← →', does: 'Close, open the subsegments' },
    { key: 'Esc', does: 'Close the details; clear the filter' },
    { key: 'p', does: 'Pause, go on' },
  ],
};

export function XRay({ address, rest }: ViewProps) {
  const [text] = rest;
  if (text === undefined) return <Overview address={address} />;
  const id = parseTraceId(text);
  if (id !== null && rest.length === 1) return <XrayTrace key={id} id={id} address={address} />;
  return (
    <main className="note">
      <h1>No trace id</h1>
      <p>
        A trace has the address <code>/xray/</code> and its id: X-Ray’s <code>1-8-24</code>, or 32 hex digits.
      </p>
      <p>
        <Link to="/xray">All traces</Link>
      </p>
    </main>
  );
}
