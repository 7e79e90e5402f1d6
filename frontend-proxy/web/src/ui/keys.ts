import { useEffect } from 'react';

import { navigate } from '../app';

/** What the keys do; the help shows this very list. */
export const KEYS = [
  { key: 'j', does: 'Next post' },
  { key: 'k', does: 'Previous post' },
  { key: 'Enter', does: 'Open the post' },
  { key: 'n', does: 'Write a post, or a reply on a post’s page' },
  { key: '/', does: 'Search' },
  { key: 'h', does: 'Home feed' },
  { key: 'Ctrl Enter', does: 'Send what you write' },
  { key: '?', does: 'This help' },
] as const;

/** Keys work wherever nobody is typing. */
export function useKeys(showHelp: () => void): void {
  useEffect(() => {
    const press = (event: KeyboardEvent) => {
      if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented || isTyping(event.target)) return;
      const handled = handle(event, showHelp);
      if (handled) event.preventDefault();
    };
    addEventListener('keydown', press);
    return () => removeEventListener('keydown', press);
  }, [showHelp]);
}

function handle(event: KeyboardEvent, showHelp: () => void): boolean {
  switch (event.key) {
    case 'j':
      return step(1);
    case 'k':
      return step(-1);
    case 'n':
      if (!focus('[data-composer]')) void navigate('/').then(() => focus('[data-composer]'));
      return true;
    case '/':
      if (!focus('[data-search]')) void navigate('/search').then(() => focus('[data-search]'));
      return true;
    case 'h':
      void navigate('/');
      return true;
    case '?':
      showHelp();
      return true;
    case 'Enter': {
      // Only on the post itself: on a link inside it, Enter follows the link.
      const address = event.target instanceof HTMLElement ? event.target.dataset['address'] : undefined;
      if (address) void navigate(address);
      return address !== undefined;
    }
    default:
      return false;
  }
}

function step(by: 1 | -1): boolean {
  const posts = [...document.querySelectorAll<HTMLElement>('article.post')];
  const at = posts.findIndex((post) => post.contains(document.activeElement));
  const next = at === -1 ? posts[by === 1 ? 0 : posts.length - 1] : posts[at + by];
  next?.focus({ preventScroll: true });
  next?.scrollIntoView({ block: 'center' });
  return next !== undefined;
}

function focus(selector: string): boolean {
  // Both the page and the side column may have a search box, and one of them may be hidden.
  const target = [...document.querySelectorAll<HTMLElement>(selector)].find((each) => each.offsetParent !== null);
  target?.focus();
  return target !== undefined;
}

function isTyping(target: EventTarget | null): boolean {
  return target instanceof HTMLElement && (target.isContentEditable || target.closest('input, textarea, select, dialog') !== null);
}
