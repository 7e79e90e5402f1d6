// Opens the built app in a real browser over the mock, clicks through it, and checks what no unit test
// can see: that the strict CSP has nothing to say, that keys and focus work, and that the spans that
// arrive are whole trees, also from a page that was closed. Pictures go to the folder given, if any:
//
//     npm run build && npm run look -- /tmp/pictures

import assert from 'node:assert/strict';
import { existsSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import process from 'node:process';

import { chromium } from 'playwright-core';

import { start } from './server.mjs';

const pictures = process.argv[2];
const executablePath = [process.env.CHROMIUM, '/usr/bin/chromium', '/usr/bin/google-chrome'].find((path) => path && existsSync(path));
if (!executablePath) {
  process.stdout.write('SKIPPED: no Chromium here. On Debian: apt-get install -y chromium\n');
  process.exit(0);
}
if (pictures) mkdirSync(pictures, { recursive: true });

const PARENT = { traceId: '5759e988bd862e3fe1be46a994272793', spanId: '53995c3f42cd8ad8' };
const browser = await chromium.launch({ executablePath, args: ['--no-sandbox'] });
try {
  for (const colorScheme of ['light', 'dark']) {
    for (const viewport of [
      { width: 1280, height: 800 },
      { width: 390, height: 844 },
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
  const elsewhere = await start({ port: 0 });
  const server = await start({ port: 0, consoleUrl: elsewhere.url.replace('localhost', '127.0.0.1'), traceparent: `00-${PARENT.traceId}-${PARENT.spanId}-01` });
  const context = await browser.newContext({ viewport, colorScheme, hasTouch: viewport.width < 640 });
  const page = await context.newPage();
  const complaints = [];
  page.on('console', (message) => {
    // The browser itself reports each refused request; those here are on purpose.
    if (message.type() === 'error' && !message.text().startsWith('Failed to load resource')) complaints.push(message.text());
  });
  page.on('pageerror', (error) => complaints.push(error.message));

  let taken = 0;
  const picture = async (what) => {
    taken += 1;
    if (!pictures) return;
    await page.waitForTimeout(300);
    await page.screenshot({ path: join(pictures, `${name}-${String(taken).padStart(2, '0')}-${what}.png`) });
  };
  const unfocus = () => page.evaluate(() => document.activeElement?.blur());
  const heading = (text) => page.locator('h1', { hasText: text }).waitFor();

  await page.goto(server.url);
  await page.locator('article').first().waitFor();
  await picture('home');
  await page.keyboard.press('Tab');
  assert.equal(await page.evaluate(() => document.activeElement?.className), 'skip', 'the first Tab is the skip link');

  await page.locator('.invitation a', { hasText: 'Sign in' }).click();
  await page.fill('[name=handle]', 'maren');
  await page.fill('[name=password]', 'wrong password');
  await page.keyboard.press('Enter');
  await page.getByRole('alert').waitFor();
  await picture('wrong-password');
  await page.fill('[name=password]', 'right password');
  await page.keyboard.press('Enter');
  await page.locator('.composer').waitFor();

  await unfocus();
  await page.keyboard.press('n');
  await page.keyboard.type('Tide is out and so am I. Two crabs, one opinion between them.');
  await picture('composing');
  await page.keyboard.press('Control+Enter');
  await page.locator('article', { hasText: 'Two crabs' }).waitFor();
  await unfocus();
  await page.keyboard.press('j');
  await page.keyboard.press('j');
  await picture('second-post');
  await page.keyboard.press('Enter');
  await page.locator('.post-lead').waitFor();
  await page.locator('[data-composer]').fill('A calm dog is a kind of lighthouse. '.repeat(8));
  await picture('reply-too-long');
  await page.locator('[data-composer]').fill('A calm dog is a kind of lighthouse.');
  await page.locator('.composer .button-primary').click();
  await page.locator('article', { hasText: 'kind of lighthouse' }).waitFor();
  await picture('thread');

  await page.goBack();
  await page.locator('article', { hasText: 'Two crabs' }).waitFor();
  await page.locator('.feed-more button').click();
  await page.locator('article').nth(20).waitFor();

  await page.locator('article a[href="/@tomasz"]').first().click();
  await heading('Tomasz Wilk');
  await picture('profile');
  await unfocus();
  await page.keyboard.press('/');
  await page.locator('[data-search]:focus').waitFor();
  await page.keyboard.type('fog');
  await page.keyboard.press('Enter');
  await heading('Search');
  await page.locator('article').first().waitFor();
  await picture('search');
  await search(page, 'zzz');
  await page.locator('.empty').waitFor();
  await picture('nothing-found');
  await search(page, 'fail');
  await page.getByRole('alert').waitFor();
  await picture('failure');
  await search(page, 'slow');
  await page.locator('.skeleton').waitFor();
  await picture('waiting');
  await page.locator('nav a', { hasText: 'Notifications' }).click();
  await heading('Notifications');
  await page.locator('.notification').first().waitFor();
  await picture('notifications');
  await unfocus();
  await page.keyboard.press('?');
  await page.locator('dialog[open]').waitFor();
  await picture('help');
  await page.keyboard.press('Escape');

  const link = page.locator('.trace-panel [data-trace-id]');
  const [opened] = await Promise.all([context.waitForEvent('page'), link.click()]);
  await opened.waitForURL(/^http:\/\/127\.0\.0\.1:\d+\/trace\/[0-9a-f]{32}$/);
  // By then the trace is there, its root included.
  const followed = opened.url().slice(-32);
  assert.ok(server.spans.some((span) => span.traceId === followed && !span.parentSpanId), 'the spans went first');
  await opened.close();

  // A page that is closed in the very moment still sends what it knows.
  await page.getByRole('button', { name: 'Sign out' }).click();
  await page.locator('.invitation').waitFor();
  await page.goto('about:blank');
  await until(() => server.spans.some((span) => span.name === 'click sign out'));

  assert.deepEqual(complaints, [], 'the console is quiet: no CSP violation, no error');
  checkTrees(server);
  await context.close();
  server.stop();
  elsewhere.stop();
  process.stdout.write(`${name}: ${server.spans.length} spans, ${server.requests.length} requests, no complaint\n`);
}

/** Every span has its parent, every request its span, and every trace but the page's begins with an action. */
function checkTrees({ spans, requests }) {
  const byId = new Map(spans.map((span) => [span.spanId, span]));
  assert.equal(byId.size, spans.length, 'no span twice');
  for (const span of spans) {
    if (!span.parentSpanId) continue;
    if (span.parentSpanId === PARENT.spanId) assert.equal(span.traceId, PARENT.traceId);
    else assert.equal(byId.get(span.parentSpanId)?.traceId, span.traceId, `the parent of ${span.name} is there`);
  }
  for (const { method, path, headers } of requests) {
    const [, traceId, spanId, flags] = (headers.traceparent ?? '').split('-');
    assert.equal(byId.get(spanId)?.traceId, traceId, `${method} ${path} has a span`);
    assert.equal(flags, '01');
    assert.equal(headers.baggage, undefined);
  }
  const load = spans.find((span) => span.name === 'load /');
  assert.equal(load?.parentSpanId, PARENT.spanId, "the load hangs below the server's span");
  // Not LCP: a browser stops looking for it at the first key, which comes at once here.
  for (const child of ['documentLoad', 'GET /api/activities/home', 'web vital ttfb']) {
    assert.ok(spans.some((span) => span.name === child && span.parentSpanId === load.spanId), `${child} is part of the load`);
  }
  for (const root of ['submit post', 'submit reply', 'navigate /post/{uuid}', 'click load more', 'submit sign-in']) {
    const action = spans.find((span) => span.name === root);
    assert.ok(action && !action.parentSpanId, `${root} is a root`);
    assert.ok(spans.some((span) => span.parentSpanId === action.spanId), `${root} has a request`);
  }
}

async function search(page, term) {
  await page.locator('[data-search]:visible').fill(term);
  await page.keyboard.press('Enter');
}

async function until(condition) {
  for (let tries = 0; !condition(); tries += 1) {
    assert.ok(tries < 200, 'waited ten seconds');
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}
