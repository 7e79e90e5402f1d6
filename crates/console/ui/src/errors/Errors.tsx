import './errors.css';

import type { KeyHelp } from '../shared/keys';
import type { ViewProps } from '../shared/view';
import { ErrorList } from './ErrorList';
import { ErrorPage } from './ErrorPage';

export const ERRORS_KEYS: KeyHelp = {
  where: 'Errors',
  keys: [
    { key: 'j k', does: 'Next, previous error or occurrence (also the arrow keys)' },
    { key: 'Enter', does: 'Open the error' },
    { key: 'r', does: 'Resolve, reopen' },
    { key: 't', does: 'The trace of the occurrence' },
    { key: 'y', does: 'Copy the occurrence as text' },
    { key: 'Esc', does: 'Back to the list' },
  ],
};

export function Errors({ address, rest: [id] }: ViewProps) {
  return id === undefined ? <ErrorList address={address} /> : <ErrorPage key={id} id={id} address={address} />;
}
