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

/** Two keys, one after the other, such as `g q`. They come before the keys of a page. */
export function useSequences(first: string, keys: Keys): void {
  const current = useRef(keys);
  useEffect(() => {
    current.current = keys;
  });
  useEffect(() => {
    let since = Number.NEGATIVE_INFINITY;
    const press = (event: KeyboardEvent) => {
      if (event.ctrlKey || event.metaKey || event.altKey || isTyping(event.target)) return;
      const act = event.timeStamp - since < PATIENCE_MS ? current.current[event.key] : undefined;
      since = event.key === first ? event.timeStamp : Number.NEGATIVE_INFINITY;
      if (!act && event.key !== first) return;
      event.preventDefault();
      act?.();
    };
    addEventListener('keydown', press, { capture: true });
    return () => removeEventListener('keydown', press, { capture: true });
  }, [first]);
}

/** The second key of a sequence comes within this time. */
const PATIENCE_MS = 1_200;

/** What the help says of the keys of one view. */
export interface KeyHelp {
  readonly where: string;
  readonly keys: readonly { readonly key: string; readonly does: string }[];
}

function isTyping(target: EventTarget | null): boolean {
  return target instanceof HTMLElement && (target.isContentEditable || target.closest('input, textarea, select, dialog') !== null);
}
