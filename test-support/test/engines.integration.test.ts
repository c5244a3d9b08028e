import { Redis } from 'ioredis';
import { Client } from 'pg';
import { expect, test } from 'vitest';
import { describeWith, testDatabase, testRedis } from '../src/vitest.ts';

describeWith('postgres')('the shared PostgreSQL', () => {
  const database = testDatabase();

  test('gives an empty database that orders text as people do and commits in order', async () => {
    const client = new Client({ connectionString: database.url });
    await client.connect();
    const { rows } = await client.query(
      `select current_setting('synchronous_commit') as commits, (select count(*)::int from pg_stat_user_tables) as tables,
       'a' < 'B' as collated, 'a' < 'B' collate "C" as bytes, current_database() as name`,
    );
    await client.end();
    expect(rows).toEqual([
      {
        commits: 'on',
        tables: 0,
        collated: true,
        bytes: false,
        name: new URL(database.url).pathname.slice(1),
      },
    ]);
  });
});

describeWith('redis')('the shared Redis', () => {
  const { url, prefix } = testRedis();

  test('answers, and the prefix is free', async () => {
    const client = new Redis(url);
    await client.set(`${prefix}a`, '1');
    const keys = await client.keys(`${prefix}*`);
    client.disconnect();
    expect(keys).toEqual([`${prefix}a`]);
  });
});
