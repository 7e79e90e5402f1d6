// X-Ray's API as types, and what can be said of its answers. Pure.
//
// Names, times in seconds and the order of flags are X-Ray's own: https://docs.aws.amazon.com/xray/latest/api/.

/** Seconds since 1970, with fractions. */
export type Seconds = number;

export interface Statistics {
  readonly OkCount: number;
  readonly ErrorStatistics: { readonly ThrottleCount: number; readonly OtherCount: number; readonly TotalCount: number };
  readonly FaultStatistics: { readonly OtherCount: number; readonly TotalCount: number };
  readonly TotalCount: number;
  readonly TotalResponseTime: number;
}

export interface Bar {
  /** Seconds. */
  readonly Value: number;
  readonly Count: number;
}

export interface Edge {
  /** The service that is called. */
  readonly ReferenceId: number;
  readonly SummaryStatistics: Statistics;
  readonly ResponseTimeHistogram: readonly Bar[];
}

/** A node of the map: a service that reports itself, one that is inferred from a call, or the client. */
export interface Service {
  readonly ReferenceId: number;
  readonly Name: string;
  readonly Type?: string;
  readonly Root?: boolean;
  /** `unknown`: it reports nothing itself. */
  readonly State: 'active' | 'unknown';
  readonly Edges: readonly Edge[];
  /** The client has none. */
  readonly SummaryStatistics?: Statistics;
  readonly ResponseTimeHistogram?: readonly Bar[];
}

export interface Graph {
  readonly Services: readonly Service[];
  /** Of a service graph: how many traces it is made of, and whether there were more than could be looked at in time. */
  readonly TracesProcessedCount?: number;
  readonly IsPartial?: boolean;
}

export interface ServiceId {
  readonly Name: string;
  readonly Type?: string;
}

export interface AnnotationValue {
  readonly StringValue?: string;
  readonly NumberValue?: number;
  readonly BooleanValue?: boolean;
}

export interface TraceSummary {
  readonly Id: string;
  readonly StartTime: Seconds;
  /** From the first start to the last end. */
  readonly Duration: number;
  /** Of the segment at the entry. */
  readonly ResponseTime: number;
  readonly HasFault: boolean;
  readonly HasError: boolean;
  readonly HasThrottle: boolean;
  /** Something still runs, or has not arrived. */
  readonly IsPartial: boolean;
  readonly Http: { readonly HttpURL?: string; readonly HttpStatus?: number; readonly HttpMethod?: string; readonly UserAgent?: string; readonly ClientIp?: string };
  readonly Annotations: Readonly<Record<string, readonly { readonly AnnotationValue: AnnotationValue }[]>>;
  readonly Users: readonly { readonly UserName: string }[];
  readonly ServiceIds: readonly ServiceId[];
  readonly EntryPoint?: ServiceId;
}

export interface Summaries {
  readonly TraceSummaries: readonly TraceSummary[];
  readonly TracesProcessedCount: number;
  readonly NextToken?: string;
}

export interface Group {
  readonly GroupName: string;
  readonly FilterExpression?: string;
}

/** A trace as X-Ray put it together: subsegments within their segments, callees inferred. */
export interface WholeTrace {
  readonly Id: string;
  readonly Duration: number;
  readonly LimitExceeded: boolean;
  readonly Segments: readonly { readonly Id: string; readonly Document: string }[];
}

/** A segment or subsegment. What is not named here is shown in the raw document. */
export interface Document {
  readonly id?: string;
  readonly name: string;
  readonly trace_id?: string;
  readonly parent_id?: string;
  readonly start_time: Seconds;
  readonly end_time?: Seconds;
  readonly in_progress?: boolean;
  readonly inferred?: boolean;
  readonly type?: string;
  readonly origin?: string;
  readonly namespace?: string;
  readonly user?: string;
  readonly error?: boolean;
  readonly fault?: boolean;
  readonly throttle?: boolean;
  readonly cause?: string | Cause;
  readonly http?: {
    readonly request?: { readonly method?: string; readonly url?: string; readonly user_agent?: string; readonly client_ip?: string };
    readonly response?: { readonly status?: number; readonly content_length?: number };
  };
  readonly sql?: Readonly<Record<string, string>>;
  readonly aws?: Readonly<Record<string, unknown>>;
  readonly annotations?: Readonly<Record<string, string | number | boolean>>;
  readonly metadata?: Readonly<Record<string, Readonly<Record<string, unknown>>>>;
  readonly subsegments?: readonly Document[];
}

export interface Cause {
  readonly exceptions?: readonly Exception[];
}

export interface Exception {
  readonly id?: string;
  readonly type?: string;
  readonly message?: string;
  readonly remote?: boolean;
  readonly stack?: readonly { readonly path?: string; readonly line?: number; readonly label?: string }[];
}

/** How a request ended. X-Ray's console shows the worst flag alone: a fault before a throttle before an error. */
export type Outcome = 'fault' | 'throttle' | 'error' | 'ok';

export function outcome({ fault, throttle, error }: { readonly fault?: boolean | undefined; readonly throttle?: boolean | undefined; readonly error?: boolean | undefined }): Outcome {
  return fault ? 'fault' : throttle ? 'throttle' : error ? 'error' : 'ok';
}

export function outcomeOf({ HasFault, HasThrottle, HasError }: TraceSummary): Outcome {
  return outcome({ fault: HasFault, throttle: HasThrottle, error: HasError });
}

/** How many ended in which way. They add up to the total. */
export function outcomes(statistics: Statistics): Readonly<Record<Outcome, number>> {
  return {
    ok: statistics.OkCount,
    error: statistics.ErrorStatistics.OtherCount,
    throttle: statistics.ErrorStatistics.ThrottleCount,
    fault: statistics.FaultStatistics.TotalCount,
  };
}

/** The average, in nanoseconds as everything that is shown. */
export function average({ TotalResponseTime, TotalCount }: Statistics): number {
  return TotalCount === 0 ? 0 : (TotalResponseTime / TotalCount) * 1e9;
}

/** The smallest time, in nanoseconds, that `share` of the requests did not exceed. */
export function percentile(histogram: readonly Bar[], share: number): number {
  const sorted = [...histogram].sort((a, b) => a.Value - b.Value);
  const total = sorted.reduce((sum, { Count }) => sum + Count, 0);
  let below = 0;
  for (const { Value, Count } of sorted) {
    below += Count;
    if (below >= share * total) return Value * 1e9;
  }
  return 0;
}

/** Bars of equal width between the shortest and the longest time, for a drawing. `values` are seconds. */
export function bars(values: readonly number[], most: number): { readonly from: number; readonly to: number; readonly count: number }[] {
  if (values.length === 0) return [];
  const least = values.reduce((a, b) => Math.min(a, b));
  const longest = values.reduce((a, b) => Math.max(a, b));
  const width = (longest - least) / most || longest || 1;
  const found = Array.from({ length: most }, (_, at) => ({ from: least + at * width, to: least + (at + 1) * width, count: 0 }));
  for (const value of values) found[Math.min(Math.floor((value - least) / width), most - 1)]!.count += 1;
  return found;
}

/** The filter expression that finds the traces in which a node of the map took part, or in which it ended this way. */
export function serviceFilter({ Name, Type }: ServiceId, only?: Outcome): string {
  const node = Type === undefined ? quoted(Name) : `id(name: ${quoted(Name)}, type: ${quoted(Type)})`;
  return only === undefined ? `service(${node})` : `service(${node}) { ${only} }`;
}

export function edgeFilter(from: ServiceId, to: ServiceId): string {
  return `edge(${quoted(from.Name)}, ${quoted(to.Name)})`;
}

/** Both expressions have to hold. One that has OR in it keeps its meaning. */
export function both(expression: string, more: string): string {
  const known = expression.trim();
  if (known === '' || known === more) return more;
  if (known.split(' AND ').includes(more)) return known;
  return `${/\bor\b/i.test(known) ? `(${known})` : known} AND ${more}`;
}

/** `responsetime >= 0.2 AND responsetime <= 0.5`, with as many digits as the times need. */
export function between(from: number, to: number): string {
  const text = (seconds: number, round: (value: number) => number) => String(round(seconds * 1e6) / 1e6);
  return `responsetime >= ${text(from, Math.floor)} AND responsetime <= ${text(to, Math.ceil)}`;
}

/** Texts have no escapes in X-Ray's grammar, and no name has a quote. */
function quoted(text: string): string {
  return `"${text.replaceAll('"', '')}"`;
}

/** Where the console stumbled over an expression: how many characters lie before the place. */
export function stumble(message: string): { readonly at: number; readonly problem: string } | null {
  const [, at, problem] = /^the filter expression is not valid at character (\d+): (.*)$/s.exec(message) ?? [];
  return at === undefined || problem === undefined ? null : { at: Number(at), problem };
}

/** What traces have in common: by value of one property, how many, and how long they took. Most frequent first. */
export interface Refined {
  readonly value: string;
  readonly count: number;
  /** Nanoseconds. */
  readonly average: number;
  readonly failed: number;
  readonly filter: string;
}

export interface Refiner {
  readonly name: string;
  readonly of: (trace: TraceSummary) => readonly { readonly value: string; readonly filter: string }[];
}

const FIXED: readonly Refiner[] = [
  { name: 'URL', of: ({ Http }) => one(Http.HttpURL, (url) => `http.url = ${quoted(url)}`) },
  { name: 'Status', of: ({ Http }) => one(Http.HttpStatus, (status) => `http.status = ${status}`) },
  { name: 'Method', of: ({ Http }) => one(Http.HttpMethod, (method) => `http.method = ${quoted(method)}`) },
  { name: 'User', of: ({ Users }) => Users.map(({ UserName }) => ({ value: UserName, filter: `user = ${quoted(UserName)}` })) },
  { name: 'Service', of: ({ ServiceIds }) => ServiceIds.map((service) => ({ value: service.Name, filter: serviceFilter(service) })) },
];

/** The properties that these traces can be told apart by: those of the request, and every annotation. */
export function refiners(traces: readonly TraceSummary[]): Refiner[] {
  const keys = [...new Set(traces.flatMap(({ Annotations }) => Object.keys(Annotations)))].sort();
  const annotations = keys.map((key) => ({
    name: `annotation ${key}`,
    of: ({ Annotations }: TraceSummary) => (Annotations[key] ?? []).map(({ AnnotationValue }) => ({ value: annotationText(AnnotationValue), filter: annotationFilter(key, AnnotationValue) })),
  }));
  return [...FIXED, ...annotations].filter((refiner) => traces.some((trace) => refiner.of(trace).length > 0));
}

export function refine(traces: readonly TraceSummary[], { of }: Refiner): Refined[] {
  const found = new Map<string, { value: string; count: number; total: number; failed: number; filter: string }>();
  for (const trace of traces) {
    for (const { value, filter } of of(trace)) {
      const entry = found.get(value) ?? { value, count: 0, total: 0, failed: 0, filter };
      entry.count += 1;
      entry.total += trace.ResponseTime;
      entry.failed += outcomeOf(trace) === 'ok' ? 0 : 1;
      found.set(value, entry);
    }
  }
  return [...found.values()].map(({ total, ...rest }) => ({ ...rest, average: (total / rest.count) * 1e9 })).sort((a, b) => b.count - a.count || (a.value < b.value ? -1 : 1));
}

export function annotationText({ StringValue, NumberValue, BooleanValue }: AnnotationValue): string {
  return String(StringValue ?? NumberValue ?? BooleanValue ?? '');
}

/** Keys with dots need brackets. */
export function annotationFilter(key: string, value: AnnotationValue): string {
  const text = value.StringValue === undefined ? annotationText(value) : quoted(value.StringValue);
  return `${key.includes('.') ? `annotation[${key}]` : `annotation.${key}`} = ${text}`;
}

function one<T extends string | number>(value: T | undefined, filter: (value: T) => string): { value: string; filter: string }[] {
  return value === undefined ? [] : [{ value: String(value), filter: filter(value) }];
}
