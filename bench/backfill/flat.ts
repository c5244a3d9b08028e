// One backfill of many documents that tells its memory as it goes; started by main.ts, in a process of its own.
import { Pool } from 'pg';
import { copyAccounts } from './copy-accounts.ts';

const [url = '', documents = '0'] = process.argv.slice(2);
const memory = (): number => process.memoryUsage().rss / 2 ** 20;
const pool = new Pool({ connectionString: url, max: 10 });
// What the process is without the work: everything loaded, a few pages copied.
await copyAccounts(pool, 1_000);
const before = memory();
const samples: number[] = [];
const timer = setInterval(() => samples.push(memory()), 500);
const seconds = await copyAccounts(pool, Number(documents));
clearInterval(timer);
await pool.end();
const tenths = Array.from({ length: 10 }, (_, i) =>
  Math.max(...samples.slice((i * samples.length) / 10, ((i + 1) * samples.length) / 10)).toFixed(0),
);
process.stdout.write(
  [
    `${documents} documents in ${seconds.toFixed(0)} s, ${(Number(documents) / seconds).toFixed(0)} a second`,
    `memory of the process in MB: ${before.toFixed(0)} before; the most in each tenth of the time: ${tenths.join(' ')}`,
    `memory of the work in MB: ${(Math.max(...samples) - before).toFixed(0)}`,
    '',
  ].join('\n'),
);
