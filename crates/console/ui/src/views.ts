// The views by their routes: what draws each, and its keys for the help.

import type { ComponentType } from 'react';

import { COMPARE_KEYS } from './compare/ComparePage';
import { Errors, ERRORS_KEYS } from './errors/Errors';
import { Home } from './home/Home';
import { Logs, LOGS_KEYS } from './logs/Logs';
import { MAP_KEYS, ServiceMap } from './map/ServiceMap';
import { QUERY_KEYS, QueryPage } from './query/QueryPage';
import type { Kind } from './routes';
import { SetUpPage } from './setup/SetUp';
import type { KeyHelp } from './shared/keys';
import type { ViewProps } from './shared/view';
import { TRACE_KEYS } from './trace/keys';
import { Traces, TRACES_KEYS } from './traces/Traces';
import { XRay, XRAY_KEYS } from './xray/XRay';

export const VIEWS: Readonly<Record<Kind, ComponentType<ViewProps>>> = {
  home: Home,
  query: QueryPage,
  traces: Traces,
  map: ServiceMap,
  errors: Errors,
  logs: Logs,
  xray: XRay,
  'set-up': SetUpPage,
};

/** By where they hold; `trace` is the page of one, `compare` that of two. */
export const HELP: Readonly<Partial<Record<Kind | 'trace' | 'compare', KeyHelp>>> = {
  query: QUERY_KEYS,
  traces: TRACES_KEYS,
  trace: TRACE_KEYS,
  compare: COMPARE_KEYS,
  map: MAP_KEYS,
  errors: ERRORS_KEYS,
  logs: LOGS_KEYS,
  xray: XRAY_KEYS,
};
