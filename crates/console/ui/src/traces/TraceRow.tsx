import { hue } from '../shared/colours';
import { ago, clock, count, duration, plural } from '../shared/format';
import { Link } from '../shared/Link';
import { Icon } from '../shared/marks';
import type { Summary } from '../shared/shapes';

export function TraceRow({ trace, longest }: { trace: Summary; longest: number }) {
  const now = Date.now();
  const failed = trace.error_count > 0;
  return (
    <Link to={`/trace/${trace.trace_id}`} className="trace-row" data-trace-id={trace.trace_id}>
      <time title={ago(trace.start_unix_nano, now)}>{clock(trace.start_unix_nano, now)}</time>
      <span className="trace-root">
        <i className={`dot ${hue(trace.service)}`} />
        <span className="trace-service">{trace.service}</span>
        <b>{trace.name}</b>
        {!trace.root && <em>root not received yet</em>}
        {failed && (
          <span className="failed">
            <Icon name="warn" />
            {trace.error_count === 1 ? 'error' : `${count(trace.error_count)} errors`}
          </span>
        )}
      </span>
      <span className="trace-duration">
        <span className="track">
          <i data-failed={failed} style={{ width: `${(100 * trace.duration_nano) / longest}%` }} />
        </span>
        {duration(trace.duration_nano)}
      </span>
      <span className="number" title={plural(trace.span_count, 'span')}>
        {count(trace.span_count)}
      </span>
      <span className="chips">
        {trace.services.map((service) => (
          <span key={service} className={`chip ${hue(service)}`}>
            {service}
          </span>
        ))}
      </span>
    </Link>
  );
}
