import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { repositoryIn } from '@polyphase/core';
import { describeWith, testDatabase } from '@polyphase/test-support/vitest';
import { Pool } from 'pg';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { postgresStore } from '../src/index.ts';
import { Note } from './support.ts';

const RECORDS = 100_000;
/** All records together take ten times as much. */
const BOUND = 6 * 2 ** 20;

describeWith('postgres')('iterate() over a hundred thousand records', () => {
  const database = testDatabase();
  const pool = new Pool({ connectionString: database.url, max: 2 });
  const store = postgresStore({ pool });
  beforeAll(async () => {
    await store.prepare([Note]);
    await pool.query(
      `insert into notes (hyb_pk, id, hyb_term, hyb_counter, hyb_digest, hyb_bucket, tenant, n, text)
      select '["t"]', 'r' || lpad(i::text, 6, '0'), 1, i, md5(i::text), i % 1024, 't', i, repeat(md5(i::text), 12)
      from generate_series(1, $1::int) as i`,
      [RECORDS],
    );
    await pool.query('analyze notes');
  });
  afterAll(() => pool.end());

  it('holds a page at a time, however many came before', async () => {
    setFlagsFromString('--expose-gc');
    const collect: unknown = runInNewContext('gc');
    if (typeof collect !== 'function') throw new Error('there is no gc');
    const used = (): number => {
      collect();
      const { heapUsed, external } = process.memoryUsage();
      return heapUsed + external;
    };
    const at = new Map<number, number>();
    let count = 0;
    let sum = 0;
    for await (const { value } of repositoryIn(store, Note).iterate({ where: { tenant: 't' }, limit: 500 })) {
      count += 1;
      sum += value.n ?? 0;
      if ([10_000, 50_000, 100_000].includes(count)) at.set(count, used());
    }
    expect({ count, sum }).toEqual({ count: RECORDS, sum: (RECORDS * (RECORDS + 1)) / 2 });
    const [early, middle, late] = at.values();
    if (early === undefined || middle === undefined || late === undefined) throw new Error('not measured');
    expect(middle - early).toBeLessThan(BOUND);
    expect(late - early).toBeLessThan(BOUND);
  });
});
