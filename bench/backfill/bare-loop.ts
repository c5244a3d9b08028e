import type { ChangeFeed, JsonObject, StoredRecord } from '@polyphase/core';
import type { Pool } from 'pg';

const COLUMNS = {
  pk: 'text',
  id: 'text',
  term: 'int',
  counter: 'bigint',
  digest: 'text',
  tenant_id: 'text',
  email: 'text',
  name: 'text',
  age: 'double precision',
  active: 'boolean',
  created_at: 'text',
  profile: 'jsonb',
} as const;
const names = Object.keys(COLUMNS);

/** What else a table of accounts is asked for by the SDK's queries, and so has an index for: each kind of order inside and across partitions. */
const QUERY_INDEXES = ['tenant_id, id', 'pk, created_at, id'] as const;

/**
 * The table that a team would make for accounts: the SDK's columns, without its bookkeeping, and one index.
 *
 * @param forQueries - whether it has the indexes that the SDK's queries need, too
 */
export async function createBareTable(pool: Pool, forQueries: boolean): Promise<void> {
  const columns = Object.entries(COLUMNS).map(([name, type]) => `${name} ${type} not null`);
  await pool.query('drop table if exists bare');
  await pool.query(`create table bare (${columns.join(', ')}, primary key (pk, id))`);
  const indexes = ['created_at, pk, id', ...(forQueries ? QUERY_INDEXES : [])];
  for (const index of indexes) await pool.query(`create index on bare (${index})`);
}

const INSERT = `
  insert into bare (${names.join(', ')})
  select * from unnest(${Object.values(COLUMNS)
    .map((type, i) => `$${i + 1}::${type}[]`)
    .join(', ')})
  on conflict (pk, id) do update set ${names.map((name) => `${name} = excluded.${name}`).join(', ')}
  where (bare.term, bare.counter) < (excluded.term, excluded.counter)`;

/** What a team would write first: reads each range to its end, and stores page by page what is newer. */
export async function bareLoop(pool: Pool, feed: ChangeFeed): Promise<void> {
  for (const range of await feed.ranges()) {
    let position: string | undefined;
    for (;;) {
      const page = await feed.read(range, position, { limit: 500 });
      if (page.idle) break;
      const records = page.changes.flatMap((change) => (change.kind === 'record' ? [change.record] : []));
      const rows = records.map(toRow);
      const values = names.map((_, column) => rows.map((row) => row[column]));
      await pool.query({ name: 'bare', text: INSERT, values });
      position = page.position;
    }
  }
}

function toRow({ key, version, digest, value = {} }: StoredRecord): readonly unknown[] {
  const { tenantId, email, name, age, active, createdAt, profile }: JsonObject = value;
  const own = [JSON.stringify(key.partition), key.id, version.term, version.counter, digest];
  return [...own, tenantId, email, name, age, active, createdAt, JSON.stringify(profile)];
}
