// Opens the built UI in a real browser over the mock, uses it by keyboard, and checks what no unit test
// can see: that the strict CSP has nothing to say, that keys and focus work, that news appear by
// themselves, and that the address says what is shown. Pictures go to the folder given, if any:
//
//     npm run build && npm run look -- /tmp/pictures

import assert from 'node:assert/strict';
import { existsSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import process from 'node:process';

import { chromium } from 'playwright-core';

import { askQuestions } from './look-query.mjs';
import { oddTraces, start } from './server.mjs';
import { anHour, homeFeed, large, random, someTraces } from './traces.mjs';

const pictures = process.argv[2];
const executablePath = [process.env.CHROMIUM, '/usr/bin/chromium', '/usr/bin/google-chrome'].find((path) => path && existsSync(path));
if (!executablePath) {
  process.stdout.write('SKIPPED: no Chromium here. On Debian: apt-get install -y chromium\n');
  process.exit(0);
}
if (pictures) mkdirSync(pictures, { recursive: true });

const browser = await chromium.launch({ executablePath, args: ['--no-sandbox'] });
try {
  for (const colorScheme of ['light', 'dark']) {
    for (const viewport of [
      { width: 1440, height: 900 },
      { width: 1024, height: 700 },
    ]) {
      await visit(colorScheme, viewport);
    }
  }
} finally {
  await browser.close();
}
process.exit(0);

async function visit(colorScheme, viewport) {
  const name = `${viewport.width}-${colorScheme}`;
  const now = Date.now();
  const { late, loop } = oddTraces(now);
  const big = large(random(8), now - 60_000, 12_000);
  const server = await start({ port: 0 });
  const context = await browser.newContext({ viewport, colorScheme, permissions: ['clipboard-read', 'clipboard-write'] });
  const page = await context.newPage();
  const complaints = [];
  page.on('console', (message) => {
    // The browser itself reports each refused request; a trace that has not arrived is one.
    if (['error', 'warning'].includes(message.type()) && !message.text().startsWith('Failed to load resource')) complaints.push(message.text());
  });
  page.on('pageerror', (error) => complaints.push(error.message));

  let taken = 0;
  const picture = async (what) => {
    taken += 1;
    if (!pictures) return;
    await page.waitForTimeout(250);
    await page.screenshot({ path: join(pictures, `${name}-${String(taken).padStart(2, '0')}-${what}.png`) });
  };
  const press = async (...keys) => {
    for (const key of keys) await page.keyboard.press(key);
  };
  const selected = () => page.locator('[role=row][aria-selected=true]');
  const rows = () => page.getByRole('treegrid').getAttribute('aria-rowcount').then(Number);
  const query = (word) => page.waitForFunction((wanted) => location.search.includes(wanted), word);

  // Empty, then the first traces, without a reload.
  await page.goto(`${server.url}/traces`);
  await page.getByRole('heading', { name: 'No trace yet' }).waitFor();
  assert.match((await page.locator('pre').first().textContent()) ?? '', /OTEL_EXPORTER_OTLP_ENDPOINT=http:\/\/127\.0\.0\.1:4318/);
  await picture('empty');
  const traces = someTraces(now);
  for (const each of [...traces, big]) server.arrive(each);
  await page.locator('a.trace-row').nth(30).waitFor();
  await picture('list');

  // Filters are in the address.
  await press('e');
  await query('error=true');
  await page.waitForFunction(() => document.querySelectorAll('a.trace-row').length === 2);
  await picture('errors-only');
  await page.reload();
  await page.waitForFunction(() => document.querySelectorAll('a.trace-row').length === 2);
  await press('e');
  await page.getByLabel('Minimum duration').fill('60ms');
  await query('min=60');
  await page.waitForFunction(() => document.querySelectorAll('a.trace-row').length < 12);
  await page.getByLabel('Minimum duration').fill('');
  await page.locator('a.trace-row').nth(30).waitFor();
  await page.getByLabel('Minimum duration').blur();

  // Paused, nothing moves; then what came meanwhile is there.
  const count = () => page.locator('a.trace-row').count();
  const before = await count();
  await press('p');
  server.arrive(homeFeed(random(now), now));
  await page.locator('.live[data-state=paused]').waitFor();
  assert.equal(await count(), before);
  await press('p');
  await page.waitForFunction((wanted) => document.querySelectorAll('a.trace-row').length === wanted, before + 1);

  // The second row by keyboard.
  await press('j', 'j');
  assert.equal(await page.locator('a.trace-row:focus').count(), 1);
  await press('Enter');
  await page.waitForURL(/\/trace\/[0-9a-f]{32}$/);
  await page.goBack();
  await page.locator('a.trace-row').first().waitFor();

  // A failure: found with one key.
  const failed = traces.find(({ spans }) => spans.some(({ message }) => message?.startsWith('canceling')));
  await page.goto(`${server.url}/trace/${failed.traceId}`);
  await page.locator('.station').nth(4).waitFor();
  assert.deepEqual(await page.locator('.station b').allTextContents(), ['cruddur-web', 'frontend-proxy', 'gateway', 'activities', 'PostgreSQL']);
  await picture('trace');
  await press('E');
  await page.locator('.panel h2', { hasText: 'SELECT activities' }).waitFor();
  await query('span=');
  await page.locator('.span-event', { hasText: 'statement timeout' }).waitFor();
  await picture('failure');

  // What is closed, found and selected is in the address, and comes back from it.
  await press('ArrowLeft', 'ArrowLeft');
  const all = failed.spans.length;
  assert.equal(await rows(), all - 2);
  await press('ArrowRight');
  assert.equal(await rows(), all);
  await page.waitForFunction(() => !location.search.includes('closed='));
  await press('-');
  assert.ok((await rows()) < 5);
  await query('closed=');
  await page.reload();
  await page.getByRole('treegrid').waitFor();
  assert.ok((await rows()) < 5);
  await press('*', '/');
  await page.keyboard.type('service:postgresql');
  await press('Enter');
  await page.locator('.find output', { hasText: '1 of 1' }).waitFor();
  await picture('found');
  await page.locator('[data-search]').blur();
  await press('c', 'z');
  await query('zoom=');
  await picture('zoomed');
  await press('z', 'Escape', 'Escape', 'y');
  assert.equal(await page.evaluate(() => navigator.clipboard.readText()), failed.traceId);

  // X-Ray's spelling is an address too, and the help shows the keys.
  await page.goto(`${server.url}/trace/1-${traces[0].traceId.slice(0, 8)}-${traces[0].traceId.slice(8)}`);
  await page.locator('.row').nth(16).waitFor();
  await press('c');
  await page.locator('.critical').first().waitFor();
  await press(...Array(11).fill('j'));
  await page.locator('.sql').waitFor();
  await picture('query');
  await press('?');
  await page.locator('dialog[open]').waitFor();
  await picture('help');
  await press('Escape');

  // A trace that has not arrived, arrives without its root, and then whole.
  await page.goto(`${server.url}/trace/${late.traceId}`);
  await page.getByRole('heading', { name: 'This trace has not arrived' }).waitFor();
  await picture('not-arrived');
  server.arrive(late);
  await page.locator('.notice', { hasText: 'The root has not arrived yet' }).waitFor();
  await page.getByText(`parent ${late.spans[0].parent} not received`).waitFor();
  await picture('no-root');
  server.arrive({ traceId: late.traceId, spans: [{ ...late.spans[0], spanId: late.spans[0].parent, parent: null, name: 'the late root' }] });
  await page.locator('.row .name', { hasText: 'the late root' }).waitFor();
  assert.equal(await page.locator('.notice').count(), 0);
  server.arrive(loop);
  await page.goto(`${server.url}/trace/${loop.traceId}`);
  await page.getByText('its parents form a loop').waitFor();
  await picture('odd');

  // Many spans: only what is in sight is in the document.
  await page.goto(`${server.url}/trace/${big.traceId}`);
  await page.locator('.row').nth(20).waitFor();
  assert.equal(await rows(), 12_000);
  await press('End');
  await selected().waitFor();
  assert.ok((await page.locator('.row').count()) < 120);
  await picture('large');

  const hour = await start({ port: 0, traces: anHour(now) });
  await askQuestions(page, { url: hour.url, picture, press });
  hour.stop();

  assert.deepEqual(complaints, [], 'the console is quiet: no CSP violation, no error');
  await context.close();
  server.stop();
  process.stdout.write(`${name}: ${taken} screens, no complaint\n`);
}
