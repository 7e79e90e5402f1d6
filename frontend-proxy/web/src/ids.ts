// Trace ids, in both spellings.

import type { IdGenerator } from '@opentelemetry/sdk-trace-web';

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
