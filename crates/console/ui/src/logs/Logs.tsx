import { useEffect } from 'react';

import type { KeyHelp } from '../shared/keys';
import type { ViewProps } from '../shared/view';

export const LOGS_KEYS: KeyHelp = { where: 'Logs', keys: [] };

export function Logs(_: ViewProps) {
  useEffect(() => {
    document.title = 'Logs · Throughline';
  }, []);
  return (
    <main className="note">
      <h1>Logs</h1>
    </main>
  );
}
