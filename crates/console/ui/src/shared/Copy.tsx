import { useEffect, useState } from 'react';

import { Icon } from './marks';

/** Copies `text`. Says so for a moment, to a screen reader too. */
export function Copy({ text, what, children }: { text: string; what: string; children?: React.ReactNode }) {
  const [state, setState] = useState<'idle' | 'copied' | 'refused'>('idle');
  useEffect(() => {
    if (state === 'idle') return;
    const timer = setTimeout(() => setState('idle'), 1_500);
    return () => clearTimeout(timer);
  }, [state]);
  const copy = () =>
    void copyText(text).then(
      () => setState('copied'),
      () => setState('refused'),
    );
  return (
    <button type="button" className="copy" data-state={state} onClick={copy} title={`Copy ${what}`} aria-label={`Copy ${what}`}>
      {children}
      <Icon name={state === 'copied' ? 'check' : 'copy'} />
      <span className="hidden" role="status">
        {state === 'copied' ? 'Copied' : state === 'refused' ? 'The browser does not allow copying here' : ''}
      </span>
    </button>
  );
}

/** The clipboard is there on https and on loopback only; elsewhere the old way still works. */
export async function copyText(text: string): Promise<void> {
  if (navigator.clipboard) return navigator.clipboard.writeText(text);
  const area = document.createElement('textarea');
  area.value = text;
  area.className = 'hidden';
  document.body.append(area);
  area.select();
  const done = document.execCommand('copy');
  area.remove();
  if (!done) throw new Error('refused');
}
