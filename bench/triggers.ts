// What the triggers of an entity's table cost statements over every row of it: npm run bench:triggers -- [--rounds N]
// Each round runs a statement with the triggers, without them, and without them once more, which says what the division is worth.
import { parseArgs } from 'node:util';
import { type ControlRow, keyOfValue, recordDigest } from '@polyphase/core';
import { postgresStore } from '@polyphase/postgres';
import { createDatabase, startPostgres } from '@polyphase/test-support';
import { Pool } from 'pg';
import { accountOf } from './account.ts';
import { AccountEntity } from './contenders/polyphase.ts';

const rows = 2_000;
const warmUpRounds = 2;
const { values } = parseArgs({ options: { rounds: { type: 'string', default: '11' } } });

const OWN = 'hyb_counter = hyb_counter + 1';
const statements: Readonly<Record<string, string>> = {
  'update by others': 'update accounts set age = age + 1',
  'update by others, no change': 'update accounts set age = age',
  'update as by the SDK': `update accounts set age = age + 1, ${OWN}`,
};

const engine = await startPostgres();
const { url } = await createDatabase(engine.url);
const pool = new Pool({ connectionString: url, max: 2 });
try {
  await fill();
  const lines = ['phase | statement | µs a row | with triggers, by without | without, by without'];
  for (const phase of ['7', '6']) {
    await pool.query('update polyphase.control set phase = $1', [phase]);
    for (const [what, text] of Object.entries(statements))
      lines.push(`${phase} | ${what} | ${await compare(text)}`);
  }
  process.stdout.write(`${lines.join('\n')}\n`);
} finally {
  await pool.end();
  await engine.stop();
}

async function fill(): Promise<void> {
  const store = postgresStore({ pool });
  await store.prepare([AccountEntity]);
  const row: Omit<ControlRow, 'wish'> = { group: 'accounts', epoch: 1, phase: '7', term: 1 };
  await store.control.create({ ...row, wish: { phase: '7', flip: 'auto', revision: 1 } });
  const copies = Array.from({ length: rows }, (_, n) => {
    const value = { ...accountOf(n), profile: {} };
    const key = keyOfValue(AccountEntity, value);
    return {
      record: { key, value, version: { term: 1, counter: 1 }, digest: recordDigest(value), operations: [] },
    };
  });
  await store.records(AccountEntity).apply(copies);
}

async function compare(text: string): Promise<string> {
  const [on, off, control]: [number[], number[], number[]] = [[], [], []];
  for (let round = -warmUpRounds; round < Number(values.rounds); round++) {
    const figures = [
      await timed(text, 'enable'),
      await timed(text, 'disable'),
      await timed(text, 'disable'),
    ] as const;
    if (round < 0) continue;
    on.push(figures[0]);
    off.push(figures[1]);
    control.push(figures[2]);
  }
  const ratios = (list: readonly number[]): string => {
    const sorted = list.map((one, round) => one / (off[round] ?? Number.NaN)).toSorted((a, b) => a - b);
    const at = (share: number): string =>
      (sorted[Math.floor((sorted.length - 1) * share)] ?? Number.NaN).toFixed(2);
    return `${at(0.5)} (${at(0.25)} to ${at(0.75)})`;
  };
  const micros = on.toSorted((a, b) => a - b)[Math.floor(on.length / 2)] ?? Number.NaN;
  return `${micros.toFixed(1)} | ${ratios(on)} | ${ratios(control)}`;
}

/** Microseconds a row. The table and the dirty keys are as small in every round. */
async function timed(text: string, triggers: 'enable' | 'disable'): Promise<number> {
  await pool.query(`alter table accounts ${triggers} trigger user`);
  await pool.query('truncate polyphase.dirty_key');
  await pool.query('vacuum accounts');
  const start = performance.now();
  await pool.query(text);
  return ((performance.now() - start) * 1_000) / rows;
}
