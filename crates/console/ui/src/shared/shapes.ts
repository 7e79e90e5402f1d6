// What the console's HTTP API answers, as types: the mirror of `wire.rs`, described in ../README.md.

/** Nanoseconds since 1970. A JSON number of this size is exact to 256 ns only. */
export type UnixNano = number;

export type Value = string | number | boolean | null | readonly Value[] | { readonly [key: string]: Value };
export type Attributes = Readonly<Record<string, Value>>;

/** A row of the list. */
export interface Summary {
  readonly trace_id: string;
  readonly xray_trace_id: string;
  /** Of the root, or while `root` is false of the earliest span. */
  readonly name: string;
  readonly service: string;
  readonly start_unix_nano: UnixNano;
  readonly duration_nano: number;
  readonly span_count: number;
  readonly error_count: number;
  readonly services: readonly string[];
  readonly root: boolean;
}

export interface TraceList {
  readonly traces: readonly Summary[];
  readonly next?: string | null;
}

/** What is said of a trace beside its spans. */
export interface Trace {
  readonly trace_id: string;
  readonly xray_trace_id: string;
  readonly start_unix_nano: UnixNano;
  readonly duration_nano: number;
  readonly span_count: number;
  /** When earlier spans of this trace were pruned; these came after that. */
  readonly pruned_unix_nano: UnixNano | null;
}

export interface WholeTrace extends Trace {
  readonly spans: readonly Span[];
}

export type Kind = 'server' | 'client' | 'internal' | 'producer' | 'consumer';

export interface Span {
  readonly trace_id: string;
  readonly span_id: string;
  readonly parent_span_id: string | null;
  readonly name: string;
  readonly kind: Kind;
  readonly service: string;
  readonly start_unix_nano: UnixNano;
  readonly duration_nano: number;
  readonly status: 'unset' | 'ok' | 'error';
  readonly status_message: string | null;
  readonly attributes: Attributes;
  readonly resource: Attributes;
  readonly scope: { readonly name: string; readonly version: string } | null;
  readonly events: readonly SpanEvent[];
  readonly links: readonly Link[];
  readonly source: string;
}

/** What a waterfall is drawn from, when a trace is too large for the rest: a part has an entry for each of its spans in every column. */
export interface BriefTrace extends Trace {
  readonly columns: readonly {
    /** 16 digits for each span, one after the other; zeros for no parent. */
    readonly span_id: string;
    readonly parent_span_id: string;
    /** Places in `names` and `services`. */
    readonly name: readonly number[];
    readonly service: readonly number[];
    /** As OTLP numbers them. */
    readonly kind: readonly number[];
    readonly status: readonly number[];
    /** Nanoseconds since the start of the trace. */
    readonly start: readonly number[];
    readonly duration: readonly number[];
    readonly names: readonly string[];
    readonly services: readonly string[];
    /** By the place of the span. */
    readonly status_message: Readonly<Record<string, string>>;
  }[];
}

export interface SpanEvent {
  readonly name: string;
  readonly time_unix_nano: UnixNano;
  readonly attributes: Attributes;
}

export interface Link {
  readonly trace_id: string;
  readonly span_id: string;
  readonly attributes: Attributes;
}

/** Counters since the console started, by the way in: spans, errors (`rollbar`), log events (`cloudwatch`). */
export interface Stats {
  /** Of a console that reads ClickHouse: then there is nothing here but `spans`. */
  readonly store?: 'clickhouse';
  readonly since_unix_nano: UnixNano;
  readonly received: Readonly<Record<string, number>>;
  readonly stored: Readonly<Record<string, number>>;
  readonly duplicates: Readonly<Record<string, number>>;
  readonly dropped: Readonly<Record<string, number>>;
  /** Why spans were dropped. */
  readonly refused: Readonly<Record<string, number>>;
  readonly refused_requests: Readonly<Record<string, number>>;
  readonly ignored: Readonly<Record<string, number>>;
  readonly pruned: { readonly traces: number; readonly spans: number };
  /** What the store holds now. */
  readonly spans: number;
  readonly traces: number;
  readonly bytes: number;
  readonly max_bytes: number;
  readonly otlp_http: string;
  readonly otlp_grpc: string;
  readonly xray_daemon?: string;
  /** Whether the demonstration can be asked for a request that has a fault. */
  readonly laboratory?: boolean;
}
