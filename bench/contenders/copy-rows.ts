import { bucketOf, keyOfValue, partitionText, recordDigest } from '@polyphase/core';
import { postgresStore } from '@polyphase/postgres';
import type { Pool } from 'pg';
import type { Account } from '../account.ts';
import type { Bulk } from '../contender.ts';
import { CopyIn, copyLine } from './copy-in.ts';
import { AccountEntity } from './polyphase.ts';

const columns =
  'hyb_pk, id, hyb_term, hyb_counter, hyb_deleted, hyb_digest, hyb_ops, hyb_rest, hyb_bucket, "tenantId", email, name, age, active, "createdAt", profile';

/** Plain COPY of the rows that the adapter stores, into a table like its own, with its indexes: what bulk writes are held against. */
export async function makeCopyRows(pool: Pool): Promise<Bulk> {
  await postgresStore({ pool, schema: 'copied' }).prepare([AccountEntity]);
  return {
    over: false,
    ready: (page, version) => {
      const rows = page.map((account) => cellsOf(account, version));
      return () => copy(pool, rows);
    },
  };
}

async function copy(pool: Pool, rows: readonly (readonly string[])[]): Promise<void> {
  const client = await pool.connect();
  try {
    const copyIn = new CopyIn(`copy copied.accounts (${columns}) from stdin`, rows.map(copyLine).join(''));
    client.query(copyIn);
    await copyIn.done;
  } finally {
    client.release();
  }
}

function cellsOf(account: Account, version: number): readonly string[] {
  const { id, tenantId, email, name, age, active, createdAt, profile } = account;
  const key = keyOfValue(AccountEntity, { ...account });
  const operations = JSON.stringify([[id, 1, version]]);
  const own = [
    partitionText(key.partition),
    id,
    '1',
    String(version),
    'f',
    recordDigest({ ...account }),
    operations,
  ];
  const fields = [tenantId, email, name, String(age), String(active), createdAt, JSON.stringify(profile)];
  return [...own, '{}', String(bucketOf(key)), ...fields];
}
