import type { Status } from './model';

const WORDS: Readonly<Record<Status, string>> = { active: 'active', resolved: 'resolved', regression: 'regression' };

export function StatusBadge({ status }: { status: Status }) {
  return (
    <span className="error-status" data-status={status} title={status === 'regression' ? 'It was resolved, and came again' : undefined}>
      {WORDS[status]}
    </span>
  );
}
