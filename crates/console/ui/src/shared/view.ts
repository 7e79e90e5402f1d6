import type { Stats } from './shapes';

/** What every view is given. */
export interface ViewProps {
  /** The path and query that the page shows: the view's state is in there. */
  readonly address: string;
  /** What follows the view's path. */
  readonly rest: readonly string[];
  readonly stats: Stats | 'gone' | null;
}
