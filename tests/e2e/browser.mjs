// Clicks in the app as a person does, and tells the trace id that the page shows for each action.
//
//   WEB, CONSOLE        addresses            HANDLE, PASSWORD    somebody who has signed up
//   CHROMIUM            the browser          SCREENSHOTS         a folder for pictures
//
// One line to standard output per action: its name and its trace id.

import assert from 'node:assert/strict';
import path from 'node:path';

import { chromium } from 'playwright-core';

const { WEB, CONSOLE, HANDLE, PASSWORD, CHROMIUM, SCREENSHOTS } = process.env;

const browser = await chromium.launch({ executablePath: CHROMIUM, args: ['--no-sandbox'] });
try {
  const context = await browser.newContext({ viewport: { width: 1280, height: 900 } });
  const page = await context.newPage();
  const broken = [];
  page.on('pageerror', (error) => broken.push(`${error}`));
  page.on('console', (message) => message.type() === 'error' && broken.push(message.text()));

  await page.goto(`${WEB}/sign-in`);
  await page.fill('input[name=handle]', HANDLE);
  await page.fill('input[name=password]', PASSWORD);
  await page.click('button[type=submit]');
  await page.waitForSelector('[data-composer]');

  // The click that the whole project is about.
  await page.click('nav >> text=Search');
  await shown(page, 'navigate /search');
  await page.click('nav >> text=Home');
  const home = await shown(page, 'navigate /');
  console.log(`home ${home}`);

  await page.locator('.post-author').first().click();
  const profile = await shown(page, 'navigate /@{handle}');
  console.log(`profile ${profile}`);
  await page.click('nav >> text=Home');
  await shown(page, 'navigate /');

  await page.fill('[data-composer]', 'one click, one trace');
  await page.click('form.composer button[type=submit]');
  const post = await shown(page, 'submit post');
  console.log(`post ${post}`);
  await page.screenshot({ path: path.join(SCREENSHOTS, 'browser-app.png') });

  // "Open this trace" leads to the console, which knows the trace by then: the link flushes first.
  const [tab] = await Promise.all([context.waitForEvent('page'), page.click('.trace-panel .trace-link')]);
  await tab.waitForURL(`${CONSOLE}/trace/${post}`);
  await tab.getByText('submit post').first().waitFor();
  await tab.getByText('POST /api/activities').first().waitFor();
  await tab.screenshot({ path: path.join(SCREENSHOTS, 'browser-console.png') });
  await asXRay(tab, post);
  await logsAndErrors(tab);

  assert.deepEqual(broken, [], 'the page reports no error');
} finally {
  await browser.close();
}

/** The same trace as X-Ray has it: found on the map and by an expression, its segments, a document. */
async function asXRay(tab, trace) {
  await tab.goto(`${CONSOLE}/xray`);
  await tab.locator('[data-node=gateway]').first().click();
  await tab.locator('.map-details h3', { hasText: 'gateway' }).waitFor();
  const filter = tab.getByLabel('Filter expression');
  await filter.fill('service("gateway") AND');
  await filter.press('Enter');
  await tab.getByText('Not valid at character 23').waitFor();
  await filter.fill('service("gateway") { http.method = "POST" }');
  await filter.press('Enter');
  const xrayId = `1-${trace.slice(0, 8)}-${trace.slice(8)}`;
  await tab.locator(`.xray-table a[href="/xray/${xrayId}"]`).click();
  await tab.locator('.segment-line', { hasText: 'gateway' }).first().click();
  await tab.getByRole('button', { name: 'Raw' }).click();
  await tab.locator('.raw', { hasText: `"trace_id": "${xrayId}"` }).first().waitFor();
  await tab.screenshot({ path: path.join(SCREENSHOTS, 'browser-xray.png') });
}

/** Every service has said that it listens; opened in place, a line tells its fields. */
async function logsAndErrors(tab) {
  await tab.goto(`${CONSOLE}/logs?q=listening`);
  await tab.locator('[data-line]').first().click();
  await tab.locator('.log-fields dt', { hasText: 'service' }).first().waitFor();
  await tab.screenshot({ path: path.join(SCREENSHOTS, 'browser-logs.png') });
  await tab.goto(`${CONSOLE}/errors?status=all`);
  await tab.getByRole('heading', { name: 'Errors' }).waitFor();
}

/** The trace id that the page shows for its last action, once that action is over and has this name. */
async function shown(page, action) {
  const panel = page.locator('.trace-panel', { has: page.locator('.trace-name strong', { hasText: action }) });
  await panel.locator('.pulse:not(.pulse-running)').waitFor();
  assert.equal(await panel.locator('.trace-name strong').textContent(), action);
  return panel.locator('.trace-link').getAttribute('data-trace-id');
}
