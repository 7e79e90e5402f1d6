// Trace ids and the sampling rule: pure, so that tests can hold them against the backend's.

import type { Attributes, Context, Link, SpanKind } from '@opentelemetry/api';
import { SamplingDecision } from '@opentelemetry/sdk-trace-web';
import type { IdGenerator, Sampler, SamplingResult } from '@opentelemetry/sdk-trace-web';

/**
 * Makes ids that W3C and AWS X-Ray both accept: X-Ray reads the first four bytes of a trace id as the
 * seconds since 1970 and looks a trace up by that time. The other twelve bytes are random, which is
 * more than the seven that W3C trace-context level 2 asks of a random id.
 */
export class EpochFirstIds implements IdGenerator {
  generateTraceId(): string {
    const seconds = Math.floor(Date.now() / 1000);
    return seconds.toString(16).padStart(8, '0') + randomHex(12);
  }

  generateSpanId(): string {
    // An id of zeros means "no span" (W3C trace-context 3.2.2.4).
    for (;;) {
      const id = randomHex(8);
      if (id !== '0000000000000000') return id;
    }
  }
}

/**
 * Keeps a share of the traces, chosen by the trace id alone.
 *
 * The frontend-proxy does not believe a browser that says "sampled"; it works the same sum over the
 * same id. So both must use one rule, or traces arrive in halves. The rule is the OpenTelemetry Rust
 * SDK's: the last eight bytes as a number, without its lowest bit, below ratio × 2^63. The one in the
 * JavaScript SDK is another (it folds the id with XOR), so we don't use it.
 */
export class RatioOverTraceId implements Sampler {
  readonly #ratio: number;
  readonly #bound: bigint;

  constructor(ratio: number) {
    this.#ratio = ratio;
    // Exact: scaling a double by a power of two only changes its exponent.
    this.#bound = BigInt(Math.floor(Math.min(Math.max(ratio, 0), 1) * 2 ** 63));
  }

  keeps(traceId: string): boolean {
    return BigInt(`0x${traceId.slice(16)}`) >> 1n < this.#bound;
  }

  shouldSample(_context: Context, traceId: string, _name: string, _kind: SpanKind, _attributes: Attributes, _links: Link[]): SamplingResult {
    return { decision: this.keeps(traceId) ? SamplingDecision.RECORD_AND_SAMPLED : SamplingDecision.NOT_RECORD };
  }

  toString(): string {
    return `RatioOverTraceId{${this.#ratio}}`;
  }
}

/** Reads a ratio as the page gives it. Anything but a number from 0 to 1 means "keep everything". */
export function parseRatio(text: string | undefined): number {
  const ratio = text === undefined || text.trim() === '' ? 1 : Number(text);
  return ratio >= 0 && ratio <= 1 ? ratio : 1;
}

/** The other spelling of a trace id, as AWS X-Ray prints it: `1-<8 hex>-<24 hex>`. */
export function xrayTraceId(traceId: string): string {
  return `1-${traceId.slice(0, 8)}-${traceId.slice(8)}`;
}

function randomHex(bytes: number): string {
  return Array.from(crypto.getRandomValues(new Uint8Array(bytes)), (byte) => byte.toString(16).padStart(2, '0')).join('');
}
