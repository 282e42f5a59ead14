// Adds jobs to a BullMQ queue, and processes them on a command on its standard input: the peer of
// `bench schedule`. Arguments: port of the Redis, prefix of the keys, number of jobs.
const { Queue, Worker } = require('bullmq');
const [port, prefix, count] = process.argv.slice(-3).map((word, at) => (at === 1 ? word : Number(word)));
const connection = { host: '127.0.0.1', port, maxRetriesPerRequest: null };
const say = (word) => process.stdout.write(word + '\n');

async function main() {
  const queue = new Queue('bench', { connection, prefix });
  const options = { removeOnComplete: true };
  for (let first = 0; first < count; first += 1000) {
    const length = Math.min(1000, count - first);
    await queue.addBulk(Array.from({ length }, () => ({ name: 'job', data: {}, opts: options })));
  }
  say('added');
  process.stdin.once('data', () => {
    let done = 0;
    const worker = new Worker('bench', async () => {}, { connection, prefix, concurrency: 100 });
    worker.on('completed', () => {
      done += 1;
      if (done === count) say('done');
    });
  });
  process.stdin.on('end', () => process.exit(0));
}
main().catch((error) => { console.error(error); process.exit(1); });
