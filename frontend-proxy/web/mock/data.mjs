// A small sea of people and posts, the same at every start.

const PEOPLE = [
  ['andrew', 'Andrew Brown', 'Teaches clouds to rain on schedule.'],
  ['maren', 'Maren Solheim', 'Tide tables, lighthouses, rye bread.'],
  ['tomasz', 'Tomasz Wilk', 'Writes Rust near a harbour.'],
  ['ines', 'Inês Carvalho', 'Field recordings of ferries.'],
  ['worf', 'Worf', 'Today is a good day to deploy.'],
  ['yuki', 'Yuki Tanabe', 'Small boats, large knots.'],
  ['garek', 'Garek', 'Plain, simple tailor.'],
  ['oluwaseun', 'Oluwaseun Adeyemi', 'Databases, mostly awake.'],
];

const MESSAGES = [
  'The 06:40 ferry had eleven people on it and one very calm dog.',
  'Found the slow query. It was sorting four thousand rows to show me ten of them. The index it wanted was one column away from the index we had.',
  'Fog came in so quickly that the lighthouse looked surprised.',
  'Reminder that p99 is a person.',
  'Low tide at noon. The whole bay smells like a story somebody is about to tell.',
  'Does anyone have a recipe for rye bread that forgives you for forgetting it overnight?',
  'I moved the retry into the queue and deleted three hundred lines. Best afternoon in weeks.',
  'If you see a trace with two roots, look at who made the second one. It is always a spawned task.',
  'New rope. I am not going to pretend that this is not the highlight of my month.',
  'The gulls have learned the sound of a paper bag and there is no going back.',
  'A quiet deploy is still a deploy. Nobody clapped, nothing fell over.\n\nTea now.',
  'Spent the evening reading EXPLAIN output next to the window. Rows removed by filter: 3,980. Boats removed by fog: all.',
];

const HOUR = 3_600_000;
const LIVES = [1, 3, 12, 24, 72, 168, 720];

/** A generator of numbers that look random and repeat (mulberry32). */
function seeded(seed) {
  return () => {
    seed = (seed + 0x6d2b79f5) | 0;
    let t = Math.imul(seed ^ (seed >>> 15), 1 | seed);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

export function sea(now) {
  const random = seeded(2026);
  const uuid = () => 'xxxxxxxx-xxxx-4xxx-8xxx-xxxxxxxxxxxx'.replaceAll('x', () => Math.floor(random() * 16).toString(16));
  const users = PEOPLE.map(([handle, display_name, bio]) => ({
    id: uuid(),
    handle,
    display_name,
    bio,
    created_at: new Date(now - random() * 900 * 24 * HOUR).toISOString(),
  }));

  const activities = [];
  for (let i = 0, age = 0; i < 60; i += 1) {
    age += random() * 2.2 * HOUR;
    const life = LIVES.filter((hours) => hours * HOUR > age * 1.02)[0] ?? 720;
    activities.push(activity(users[Math.floor(random() * users.length)], MESSAGES[i % MESSAGES.length], now - age, i % 9 === 8 ? null : life * HOUR));
  }
  const replies = [];
  for (const parent of activities.filter((_, i) => i % 3 === 0)) {
    for (let n = 1 + Math.floor(random() * 3); n > 0; n -= 1) {
      const reply = activity(users[Math.floor(random() * users.length)], MESSAGES[Math.floor(random() * MESSAGES.length)], Date.parse(parent.created_at) + random() * HOUR, 168 * HOUR);
      replies.push({ ...reply, reply_to_activity_uuid: parent.uuid });
      parent.replies_count += 1;
    }
  }
  return { users, activities, replies, uuid };

  function activity({ id, handle, display_name }, message, at, life) {
    return {
      uuid: uuid(),
      user_uuid: id,
      message,
      created_at: new Date(at).toISOString(),
      expires_at: life === null ? null : new Date(at + life).toISOString(),
      replies_count: 0,
      likes_count: 0,
      reply_to_activity_uuid: null,
      user: { uuid: id, handle, display_name },
    };
  }
}
