// How long a very large trace takes to open: from the last byte of the answer to the first rows on the screen, in a real browser.
//
//     npm run build && npm run large -- [http://localhost:4380/trace/ID] [--spans 100000] [--profile FILE]
//
// Without an address the mock serves the trace. Prints each of seven runs and the median; the milliseconds
// of the work in between are the page's own marks (`performance.measure`).

import { existsSync, writeFileSync } from 'node:fs';
import process from 'node:process';

import { chromium } from 'playwright-core';

import { start } from './server.mjs';
import { large, random } from './traces.mjs';

const RUNS = 7;
const option = (name) => {
  const at = process.argv.indexOf(name);
  return at === -1 ? undefined : process.argv[at + 1];
};
const executablePath = [process.env.CHROMIUM, '/usr/bin/chromium', '/usr/bin/google-chrome'].find((path) => path && existsSync(path));
let address = process.argv.find((word) => word.startsWith('http'));
let stop = () => {};
if (!address) {
  const trace = large(random(8), Date.now() - 60_000, Number(option('--spans') ?? 100_000));
  trace.spans.sort((a, b) => Number(a.start - b.start));
  const server = await start({ port: 0, traces: [trace] });
  address = `${server.url}/trace/${trace.traceId}`;
  stop = server.stop;
}

const browser = await chromium.launch({ executablePath, args: ['--no-sandbox'] });
const taken = [];
for (let run = 0; run < RUNS; run += 1) {
  const context = await browser.newContext({ viewport: { width: 1440, height: 900 } });
  const page = await context.newPage();
  await page.addInitScript(watch);
  const profile = run === RUNS - 1 && option('--profile');
  const client = profile ? await context.newCDPSession(page) : null;
  if (client) {
    await client.send('Profiler.enable');
    await client.send('Profiler.setSamplingInterval', { interval: 500 });
    await client.send('Profiler.start');
  }
  await page.goto(address);
  const { opened, work } = await page.waitForFunction(() => globalThis.opened).then((handle) => handle.jsonValue());
  if (client) writeFileSync(profile, JSON.stringify((await client.send('Profiler.stop')).profile));
  taken.push(opened);
  process.stdout.write(`${Math.round(opened)} ms  ${Object.entries(work).map(([name, ms]) => `${name} ${Math.round(ms)}`).join(', ')}\n`);
  await context.close();
}
await browser.close();
stop();
process.stdout.write(`median ${Math.round(taken.sort((a, b) => a - b)[RUNS >> 1])} ms\n`);
process.exit(0);

/** In the page: sets `opened` once rows were painted. */
function watch() {
  const seen = new MutationObserver(() => {
    if (document.querySelectorAll('.row').length < 10) return;
    seen.disconnect();
    // A frame later they are on the screen.
    requestAnimationFrame(() =>
      setTimeout(() => {
        const [answer] = performance.getEntriesByType('resource').filter(({ name }) => name.includes('brief='));
        const work = Object.fromEntries(performance.getEntriesByType('measure').map(({ name, duration }) => [name, duration]));
        globalThis.opened = { opened: performance.now() - answer.responseEnd, work };
      }),
    );
  });
  seen.observe(document, { subtree: true, childList: true });
}
