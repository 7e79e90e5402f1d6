// Breaks the app in a browser, and tells the trace id under which the page reports it.
//
//   WEB    its address            CHROMIUM    the browser

import assert from 'node:assert/strict';
import { setTimeout } from 'node:timers/promises';

import { chromium } from 'playwright-core';

const { WEB, CHROMIUM } = process.env;
const PATIENCE_MS = 30_000;

const browser = await chromium.launch({ executablePath: CHROMIUM, args: ['--no-sandbox'] });
try {
  const page = await browser.newPage();
  const delivered = [];
  page.on('response', (response) => {
    if (response.url() === `${WEB}/v1/traces`) delivered.push(response.request().postData() ?? '');
  });
  await page.goto(`${WEB}/search?term=rust&token=abc`);
  await page.waitForSelector('nav');

  const relayed = page.waitForResponse((response) => response.url() === `${WEB}/rollbar/api/1/item/`);
  await page.evaluate(() => {
    setTimeout(function broken() {
      throw new TypeError('the feed has no author');
    });
  });
  const response = await relayed;
  assert.equal(response.status(), 200);
  const item = response.request().postDataJSON();
  assert.equal(response.request().headers()['x-rollbar-access-token'], 'held-by-the-server', 'no token in the browser');
  // The page goes on, and has sent the spans of this trace before it is closed.
  const traceId = item.data.custom.trace_id;
  await page.click('nav >> text=Home');
  const late = AbortSignal.timeout(PATIENCE_MS);
  while (!delivered.some((spans) => spans.includes(traceId))) {
    late.throwIfAborted();
    await setTimeout(50);
  }
  console.log(traceId);
} finally {
  await browser.close();
}
