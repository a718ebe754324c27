// The load of `quest-host bench` on a BullMQ worker: each job adds one to the counter of its context, in Redis. Prints one JSON object.
//
//   node bench.mjs redis://127.0.0.1:6379 [events] [contexts] [paced]
//
// Durability is the server's. A job that fails halfway may count twice: a queue promises "at least once", so this is the lighter load.

import { Queue, Worker } from 'bullmq';
import { Redis } from 'ioredis';

const [url = 'redis://127.0.0.1:6379', events = '100000', contexts = '1000', paced = '500'] = process.argv.slice(2);
const total = Number(events);
const connection = { url, maxRetriesPerRequest: null };
const name = `bench-${process.pid}`;
const counters = `${name}:counters`;

const redis = new Redis(url, { maxRetriesPerRequest: null });
const queue = new Queue(name, { connection });
const opts = { removeOnComplete: true, removeOnFail: false };

let done = 0;
let reached = () => {};
const finished = new Map();
const worker = new Worker(name, (job) => redis.hincrby(counters, job.data.context, 1), { connection, concurrency: 256 });
worker.on('completed', (job) => {
  done += 1;
  finished.get(job.id)?.(performance.now());
  reached();
});
worker.on('error', (error) => { throw error; });

const one = (n) => ({ name: 'test_event', data: { context: `bench-${n % Number(contexts)}` }, opts });
const until = (count) => new Promise((resolve) => {
  reached = () => { if (done >= count) resolve(); };
  reached();
});

await worker.waitUntilReady();
const began = performance.now();
for (let sent = 0; sent < total; sent += 1000) {
  const chunk = Array.from({ length: Math.min(1000, total - sent) }, (_, n) => one(sent + n));
  await queue.addBulk(chunk);
}
await until(total);
const perSecond = total / ((performance.now() - began) / 1000);

const latencies = [];
let next = performance.now();
for (let n = 0; n < Number(paced); n += 1) {
  next += 10;
  await new Promise((resolve) => setTimeout(resolve, Math.max(0, next - performance.now())));
  const sent = performance.now();
  const id = `paced-${n}`;
  const end = new Promise((resolve) => finished.set(id, resolve));
  await queue.add('test_event', one(n).data, { ...opts, jobId: id });
  latencies.push((await end) - sent);
  finished.delete(id);
}
latencies.sort((a, b) => a - b);
const at = (share) => Number((latencies[Math.floor(latencies.length * share)] ?? 0).toFixed(2));

const counted = (await redis.hvals(counters)).reduce((sum, count) => sum + Number(count), 0);
if (counted !== total + Number(paced)) throw new Error(`${counted} counted instead of ${total + Number(paced)}`);
console.log(JSON.stringify({
  peer: 'bullmq',
  events: total,
  events_per_second: Math.round(perSecond),
  latency_ms_p50: at(0.5),
  latency_ms_p99: at(0.99),
}));

await worker.close();
await queue.obliterate({ force: true });
await queue.close();
await redis.del(counters);
await redis.quit();
