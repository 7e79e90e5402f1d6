import { useEffect } from 'react';

import type { ViewProps } from '../shared/view';

export function QueryPage(_: ViewProps) {
  useEffect(() => {
    document.title = 'Query · Throughline';
  }, []);
  return (
    <main className="note">
      <h1>Query</h1>
    </main>
  );
}
