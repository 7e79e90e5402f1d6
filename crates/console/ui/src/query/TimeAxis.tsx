import { timeLabel, timeMarks } from './chart';

/** A label is about this wide, with air. */
const LABEL = 88;

export function TimeAxis({ start, end, width, hover }: { start: number; end: number; width: number; hover: { readonly at: number; readonly granularity: number } | null }) {
  const zone = -new Date(start * 1000).getTimezoneOffset() * 60;
  const marks = timeMarks(start, end, Math.max(Math.floor(width / LABEL), 2), zone);
  const step = (marks[1] ?? end) - (marks[0] ?? start);
  const left = (at: number) => `${(100 * (at - start)) / (end - start)}%`;
  // A label at an end would be cut.
  const isWhole = (at: number) => Math.min(at - start, end - at) * width > (LABEL / 4) * (end - start);
  return (
    <div className="x-axis" aria-hidden="true">
      {marks.filter(isWhole).map((mark) => (
        <span key={mark} style={{ left: left(mark) }}>
          {timeLabel(mark, step)}
        </span>
      ))}
      {hover && (
        <b style={{ left: left(hover.at + hover.granularity / 2) }}>
          {timeLabel(hover.at, hover.granularity)} + {hover.granularity < 120 ? `${hover.granularity} s` : `${Math.round(hover.granularity / 60)} min`}
        </b>
      )}
    </div>
  );
}
