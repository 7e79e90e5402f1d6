// The part of the browser check that asks questions: builder, heatmap, what differs, saved queries, map, home, set-up.

import assert from 'node:assert/strict';

/** `server` holds an hour of traces in which one user waits for long. */
export async function askQuestions(page, { url, picture, press }) {
  const spec = () => page.evaluate(() => JSON.parse(new URL(location.href).searchParams.get('query') ?? 'null'));
  const address = (word) => page.waitForFunction((wanted) => decodeURIComponent(location.search.replaceAll('+', ' ')).includes(wanted), word);
  const inRange = { calculations: [{ op: 'HEATMAP', column: 'duration_ms' }, { op: 'COUNT' }], filters: [{ column: 'name', op: '=', value: 'SELECT activities' }], time_range: 3_600, limit: 50 };

  // Home: every part is there, and a drag over its heatmap becomes a question.
  await page.goto(url);
  await page.locator('.tile b', { hasText: 'ms' }).first().waitFor();
  await page.locator('.ranking li').nth(4).waitFor();
  await picture('home');

  // By keyboard alone: a condition with a suggested column and value, and a breakdown.
  await press('g', 'q');
  await page.waitForURL(/\/query/);
  await page.locator('.results tbody tr').nth(3).waitFor();
  await press('w');
  await page.keyboard.type('service.na');
  await page.locator('[role=option]', { hasText: 'service.name' }).first().waitFor();
  await press('Enter');
  await page.keyboard.type('= act');
  await page.locator('[role=option]', { hasText: 'activities' }).first().waitFor();
  await picture('suggestions');
  await press('Enter');
  await address('"value":"activities"');
  assert.deepEqual((await spec()).filters, [{ column: 'service.name', op: '=', value: 'activities' }]);
  await press('Escape', 'b');
  await page.keyboard.type('span.k');
  await press('Enter');
  await address('span.kind');
  // What is not understood is said, and nothing is asked.
  await press('Escape', 'w');
  await page.keyboard.type('duration_ms ~ 3');
  await press('Enter');
  await page.locator('.missing', { hasText: 'an operator' }).waitFor();
  await press('Escape', 'Escape');

  // Back undoes.
  await page.goBack();
  await page.waitForFunction(() => !location.search.includes('span.kind'));

  // The loop: the slow ones in a box, what differs in it, a click on the user, the trace.
  await page.goto(`${url}/query?${new URLSearchParams({ query: JSON.stringify(inRange) })}`);
  const plane = page.locator('[data-heatmap]');
  await plane.waitFor();
  const { x, y, width, height } = await plane.boundingBox();
  await page.mouse.move(x + width * 0.3, y + 2);
  await page.mouse.down();
  await page.mouse.move(x + width * 0.8, y + height * 0.3, { steps: 4 });
  await page.mouse.up();
  await address('box=');
  const user = page.locator('.difference', { hasText: 'app.user_id' }).or(page.locator('.difference').first());
  await user.first().waitFor();
  await page.locator('.inside-traces a').first().waitFor();
  await picture('what-differs');
  await page.reload();
  await page.locator('.difference').first().waitFor();
  const differs = page.locator('.differs');
  await differs.locator('.difference-value').first().click();
  await page.waitForFunction(() => JSON.parse(new URL(location.href).searchParams.get('query')).filters.length === 2);
  assert.equal(await differs.count(), 0);

  // Dragging over a line chart zooms.
  const lines = page.locator('.chart[aria-label="COUNT over time"] .plane');
  const box = await lines.boundingBox();
  await page.mouse.move(box.x + 100, box.y + 40);
  await page.mouse.down();
  await page.mouse.move(box.x + 300, box.y + 40, { steps: 3 });
  await page.mouse.up();
  await address('start_time');
  await picture('zoomed-query');
  await press('z');

  // Saved, found again, and in the history.
  await press('s');
  await page.getByLabel('Title').fill('Slow feeds');
  await press('Enter');
  await page.locator('.save-form').waitFor({ state: 'detached' });
  await page.getByRole('button', { name: 'Saved' }).click();
  await page.locator('.menu-list b', { hasText: 'Slow feeds' }).waitFor();
  await picture('saved');
  await page.locator('.menu-list b', { hasText: 'Latency by UserID' }).click();
  await address('app.user_id');
  await page.locator('.results tbody tr').nth(5).waitFor();
  await picture('latency-by-user');
  await page.getByRole('button', { name: 'History' }).click();
  await page.locator('.menu-list code', { hasText: 'by app.user_id' }).waitFor();
  await press('Escape');
  await page.getByRole('tab', { name: 'Slowest traces' }).click();
  await page.locator('.results .length').first().waitFor();
  await picture('slowest-traces');

  // Two traces as one tree, from the list by keyboard.
  await press('g', 't');
  await page.locator('a.trace-row').nth(5).waitFor();
  await press('j', 'd', 'j', 'j', 'd');
  await page.waitForURL(/\/compare\/[0-9a-f]{32}\/[0-9a-f]{32}$/);
  await page.locator('.compare-sum').waitFor();
  await press('d');
  await page.locator('.compare-rows tbody tr').nth(5).waitFor();
  await picture('compare');

  // What the builder has no field for is written as JSON.
  await page.goto(`${url}/query`);
  await page.getByRole('button', { name: 'JSON' }).click();
  await page.getByRole('textbox', { name: 'The query as JSON' }).fill('{"calculations":[{"op":"MAX","column":"duration_ms","name":"slowest"}],"time_range":3600}');
  await page.getByRole('button', { name: 'Run this' }).click();
  await address('"name":"slowest"');

  // The map leads to the query that says more.
  await press('g', 'm');
  await page.locator('[data-service=gateway]').click();
  await page.locator('.map-aside h2', { hasText: 'gateway' }).waitFor();
  await picture('map');
  await page.getByText('Every span of it').click();
  await address('"value":"gateway"');

  await press('g', 's');
  for (const way of ['X-Ray', 'Rollbar', 'CloudWatch Logs', 'curl']) {
    await page.getByRole('tab', { name: way }).click();
    await page.locator('.snippet').first().waitFor();
  }
  await picture('set-up');
}
