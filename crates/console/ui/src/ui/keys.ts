import { useEffect, useRef } from 'react';

export type Keys = Readonly<Record<string, () => void>>;

/** Keys of a page, by `KeyboardEvent.key`; `Shift+` before it where it matters. They work wherever nobody is typing. */
export function useKeys(keys: Keys): void {
  const current = useRef(keys);
  useEffect(() => {
    current.current = keys;
  });
  useEffect(() => {
    const press = (event: KeyboardEvent) => {
      if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented || isTyping(event.target)) return;
      // On a button or a link these keys belong to it.
      if ((event.key === 'Enter' || event.key === ' ') && event.target instanceof Element && event.target.closest('a, button, summary')) return;
      const act = current.current[event.key];
      if (!act) return;
      event.preventDefault();
      act();
    };
    addEventListener('keydown', press);
    return () => removeEventListener('keydown', press);
  }, []);
}

/** What the help shows. */
export const HELP: readonly { readonly where: string; readonly keys: readonly { readonly key: string; readonly does: string }[] }[] = [
  {
    where: 'Everywhere',
    keys: [
      { key: '?', does: 'This help' },
      { key: '/', does: 'Search, or open a trace by its id' },
      { key: 'h', does: 'Recent traces' },
    ],
  },
  {
    where: 'Recent traces',
    keys: [
      { key: 'j k', does: 'Next, previous trace' },
      { key: 'Enter', does: 'Open the trace' },
      { key: 'e', does: 'Only traces with errors' },
      { key: 'p', does: 'Pause, go on' },
    ],
  },
  {
    where: 'A trace',
    keys: [
      { key: 'j k', does: 'Next, previous span (also the arrow keys)' },
      { key: '← →', does: 'Close, open what is below; go to the parent, the first child' },
      { key: 'Enter', does: 'Details of the span' },
      { key: 'Esc', does: 'Close the details; clear the search; show the whole time' },
      { key: 'n N', does: 'Next, previous span found' },
      { key: 'e E', does: 'Next, previous span in which a failure began' },
      { key: 'c', does: 'The critical path: what the end waited for' },
      { key: 'z', does: 'Zoom to the span, or back to the whole trace' },
      { key: '* -', does: 'Open everything; close all but the first two levels' },
      { key: 'y', does: 'Copy the trace id' },
    ],
  },
];

function isTyping(target: EventTarget | null): boolean {
  return target instanceof HTMLElement && (target.isContentEditable || target.closest('input, textarea, select, dialog') !== null);
}
