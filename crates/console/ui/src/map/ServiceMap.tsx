import { useEffect } from 'react';

import type { ViewProps } from '../shared/view';

export function ServiceMap(_: ViewProps) {
  useEffect(() => {
    document.title = 'Service map · Throughline';
  }, []);
  return (
    <main className="note">
      <h1>Service map</h1>
    </main>
  );
}
