// How the page felt, as spans: the numbers that browsers measure and search engines rank by.

import { ROOT_CONTEXT, trace } from '@opentelemetry/api';
import type { Context } from '@opentelemetry/api';
import { onCLS, onFCP, onINP, onLCP, onTTFB } from 'web-vitals';
import type { Metric } from 'web-vitals';

import { tracer } from './telemetry';

/** Begins to watch. `page` is the context of the page's load. */
export function watchVitals(page: Context): void {
  // These end while the page loads: bars in its trace, from the start of the navigation to the moment
  // they measure.
  for (const watch of [onTTFB, onFCP, onLCP]) {
    watch((metric) => report(metric, page, performance.timeOrigin, metric.value));
  }
  // These are final only when the page is left, perhaps an hour later. Inside the page's trace they
  // would stretch it to that hour, so each is a small trace of its own with a link back.
  onINP((metric) => report(metric, ROOT_CONTEXT, performance.timeOrigin + (metric.entries[0]?.startTime ?? 0), metric.value, page));
  // A layout shift is a score without a unit. It has no length in time.
  onCLS((metric) => report(metric, ROOT_CONTEXT, Date.now(), 0, page));
}

function report(metric: Metric, parent: Context, start: number, milliseconds: number, linked?: Context): void {
  const name = metric.name.toLowerCase();
  const link = linked && trace.getSpanContext(linked);
  const attributes = {
    // Honeycomb's names for them, so that its boards work as they are.
    [`${name}.value`]: metric.value,
    [`${name}.rating`]: metric.rating,
    [`${name}.delta`]: metric.delta,
    [`${name}.id`]: metric.id,
    'page.navigation_type': metric.navigationType,
  };
  tracer()
    .startSpan(`web vital ${name}`, { startTime: start, attributes, ...(link && { links: [{ context: link }] }) }, parent)
    .end(start + milliseconds);
}
