// rollbar.js in Node as it is: an exception, a message, a person; the console's API tells what came of them.
import assert from 'node:assert/strict'
import Rollbar from 'rollbar'

const console_ = process.env.CONSOLE_URL
const trace = '68b329da9893e34099c7d8ad5cb9c940'
const rollbar = new Rollbar({
  accessToken: 'any',
  endpoint: `${console_}/api/1/item/`,
  environment: 'rollbar-js',
  codeVersion: 'abc123',
  payload: { person: { id: 'user-1', username: 'andrew' } },
})

const send = (level, ...what) =>
  new Promise((resolve, reject) => rollbar[level](...what, (error, answer) => (error ? reject(error) : resolve(answer))))

async function group(title) {
  const { groups } = await (await fetch(`${console_}/api/errors?environment=rollbar-js`)).json()
  const found = groups.find((group) => group.title === title)
  assert(found, JSON.stringify(groups))
  return (await fetch(`${console_}/api/errors/${found.id}`)).json()
}

function charge() {
  throw new TypeError('no funds')
}

// With the same stack each time it is called.
async function order() {
  await null
  charge()
}

try {
  await order()
} catch (error) {
  const answer = await send('error', error, { trace_id: trace, amount: 2 })
  assert.equal(answer.uuid?.length > 0 || answer.result?.uuid?.length > 0, true, JSON.stringify(answer))
}
const error = await group('TypeError: no funds')
const [occurrence] = error.occurrences
assert.equal(occurrence.trace_id, trace)
assert.equal(occurrence.person, 'user-1')
assert.equal(occurrence.custom.amount, 2)
assert.equal(error.group.people, 1)
const frames = occurrence.trace_chain[0].frames
assert(frames.some((frame) => frame.method?.includes('charge') && frame.line > 0), JSON.stringify(frames))

await send('warning', 'user 17 is gone')
await send('warning', 'user 18 is gone')
const gone = await group('user 18 is gone')
assert.equal(gone.group.count, 2)
assert.equal(gone.group.level, 'warning')

// A resolved error that comes again.
const resolve = { method: 'POST', headers: { 'content-type': 'application/json' }, body: '{"status":"resolved"}' }
await fetch(`${console_}/api/errors/${error.group.id}`, resolve)
try {
  await order()
} catch (again) {
  await send('error', again)
}
assert.equal((await group('TypeError: no funds')).group.status, 'regression')
process.exit(0)
