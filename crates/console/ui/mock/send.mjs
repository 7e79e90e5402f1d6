// Posts made-up traces to a running console:
//
//     node mock/send.mjs                            some minutes of the demonstration
//     node mock/send.mjs --live                     and then one a second
//     node mock/send.mjs --large 100000             one trace with very many spans
//     node mock/send.mjs http://127.0.0.1:4318 …    elsewhere

import process from 'node:process';
import { setTimeout as sleep } from 'node:timers/promises';

import { homeFeed, large, random, signIn, someTraces, toOtlp } from './traces.mjs';

const endpoint = process.argv.slice(2).find((word) => word.startsWith('http')) ?? 'http://127.0.0.1:4318';
const largeAt = process.argv.indexOf('--large');
/** Spans in a request: well below the 64 MiB that the console takes. */
const BATCH = 20_000;

export async function send(traces, to = endpoint) {
  const spans = traces.flatMap((trace) => trace.spans);
  for (let at = 0; at < spans.length; at += BATCH) {
    const body = JSON.stringify(toOtlp([{ spans: spans.slice(at, at + BATCH) }]));
    const response = await fetch(`${to}/v1/traces`, { method: 'POST', headers: { 'content-type': 'application/json' }, body });
    if (!response.ok) throw new Error(`${response.status}: ${await response.text()}`);
  }
}

if (largeAt !== -1) {
  const trace = large(random(Date.now()), Date.now() - 20_000, Number(process.argv[largeAt + 1]));
  await send([trace]);
  process.stdout.write(`${trace.traceId}\n`);
} else {
  const traces = someTraces(Date.now());
  await send(traces);
  for (const { traceId } of traces) process.stdout.write(`${traceId}\n`);
}
if (process.argv.includes('--live')) {
  const next = random(Date.now());
  for (;;) {
    const draw = next();
    await send([draw < 0.2 ? signIn(next, Date.now() - 100, { wrong: draw < 0.05 }) : homeFeed(next, Date.now() - 100, { slow: draw > 0.9 ? 9 : 1, fail: draw > 0.95 })]);
    await sleep(1_000);
  }
}
