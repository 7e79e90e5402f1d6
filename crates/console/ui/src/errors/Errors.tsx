import { useEffect } from 'react';

import type { KeyHelp } from '../shared/keys';
import type { ViewProps } from '../shared/view';

export const ERRORS_KEYS: KeyHelp = { where: 'Errors', keys: [] };

export function Errors(_: ViewProps) {
  useEffect(() => {
    document.title = 'Errors · Throughline';
  }, []);
  return (
    <main className="note">
      <h1>Errors</h1>
    </main>
  );
}
