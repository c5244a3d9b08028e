// How fast a backfill copies beside a bare loop over the same feed, and in how much memory: npm run bench:backfill -- [--rounds N] [--documents N] [--flat N]
// Each round copies the same documents with both, into empty tables. With --flat, one backfill of so many documents tells its memory
// as it goes, in a process whose heap is bounded: what is given back is seen by no other way than by wanting it.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { createDatabase, startPostgres } from '@polyphase/test-support';
import { Pool } from 'pg';
import { summarize } from '../measure.ts';
import { AccountEntity } from './account-entity.ts';
import { bareLoop, createBareTable } from './bare-loop.ts';
import { copyAccounts, ranges } from './copy-accounts.ts';
import { generatedStore } from './generated-store.ts';

const warmUpRounds = 1;
const heapMb = 128;
const { values } = parseArgs({
  options: {
    rounds: { type: 'string', default: '7' },
    documents: { type: 'string', default: '40000' },
    flat: { type: 'string', default: '0' },
  },
});

const engine = await startPostgres();
const { url } = await createDatabase(engine.url);
try {
  if (Number(values.rounds) > 0) await compare(Number(values.documents), Number(values.rounds));
  if (Number(values.flat) > 0) await copyFlat(values.flat);
} finally {
  await engine.stop();
}

async function compare(documents: number, rounds: number): Promise<void> {
  const pool = new Pool({ connectionString: url, max: 10 });
  const feed = generatedStore({ entity: AccountEntity, documents, ranges }).changes(AccountEntity);
  const rateOf = async (forQueries: boolean): Promise<number> => {
    await createBareTable(pool, forQueries);
    const start = performance.now();
    await bareLoop(pool, feed);
    return documents / ((performance.now() - start) / 1_000);
  };
  const rates: { readonly bare: number; readonly indexed: number; readonly backfill: number }[] = [];
  for (let round = -warmUpRounds; round < rounds; round++) {
    const bare = await rateOf(false);
    const indexed = await rateOf(true);
    const backfill = documents / (await copyAccounts(pool, documents));
    if (round >= 0) rates.push({ bare, indexed, backfill });
    process.stderr.write('.');
  }
  await pool.end();
  const show = (name: keyof (typeof rates)[number]): string =>
    summarize(rates.map((rate) => rate[name])).median.toFixed(0);
  const share = (name: 'bare' | 'indexed'): string => {
    const { median, low, high } = summarize(rates.map((rate) => rate.backfill / rate[name]));
    return `${median.toFixed(2)} (${low.toFixed(2)} to ${high.toFixed(2)})`;
  };
  process.stdout.write(
    [
      '\nwhat | documents a second | backfill, as a share of it',
      `bare loop, one index beside the key | ${show('bare')} | ${share('bare')}`,
      `bare loop, the indexes that the SDK's queries need | ${show('indexed')} | ${share('indexed')}`,
      `backfill | ${show('backfill')} | 1`,
      '',
    ].join('\n'),
  );
}

async function copyFlat(documents: string): Promise<void> {
  const script = fileURLToPath(new URL('flat.ts', import.meta.url));
  const flags = [`--max-old-space-size=${heapMb}`, '--conditions=@polyphase/source'];
  const child = spawn(process.execPath, [...flags, script, url, documents], { stdio: 'inherit' });
  const [code] = await once(child, 'exit');
  if (code !== 0) throw new Error(`The process ended with ${code}`);
}
