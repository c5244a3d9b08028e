import { type Generated, Kysely, PostgresDialect, sql } from 'kysely';
import { Pool } from 'pg';
import type { Account } from '../account.ts';
import type { Contender, Ground } from '../contender.ts';
import { fillAccounts, rowOf } from './pg-raw.ts';

interface Database {
  accounts: {
    tenant_id: string;
    id: string;
    email: string;
    name: string;
    age: number;
    active: boolean;
    created_at: string;
    profile: Account['profile'];
    version: Generated<number>;
  };
}

/** Kysely, building each statement as it is called. */
export async function makeKysely(ground: Ground): Promise<Contender> {
  const pool = new Pool({ connectionString: ground.url, max: ground.connections });
  await fillAccounts(pool, ground.accounts);
  const db = new Kysely<Database>({ dialect: new PostgresDialect({ pool }) });
  const versions = new Map(ground.accounts.map(({ id }) => [id, 1]));
  return {
    name: 'kysely',
    get: ({ tenantId, id }) =>
      db
        .selectFrom('accounts')
        .selectAll()
        .where('tenant_id', '=', tenantId)
        .where('id', '=', id)
        .executeTakeFirst(),
    insert: (account) => db.insertInto('accounts').values(rowOf(account)).execute(),
    update: async (account) => {
      const version = versions.get(account.id) ?? 1;
      const { numUpdatedRows } = await db
        .updateTable('accounts')
        .set({ ...rowOf(account), version: version + 1 })
        .where('tenant_id', '=', account.tenantId)
        .where('id', '=', account.id)
        .where('version', '=', version)
        .executeTakeFirst();
      if (numUpdatedRows !== 1n) throw new Error('the update met another version');
      versions.set(account.id, version + 1);
    },
    query100: (tenantId) =>
      db
        .selectFrom('accounts')
        .selectAll()
        .where('tenant_id', '=', tenantId)
        .orderBy('created_at')
        .orderBy('id')
        .limit(100)
        .execute(),
    getMany100: (accounts) => db.selectFrom('accounts').selectAll().where(isOneOf(accounts)).execute(),
    close: () => db.destroy(),
  };
}

const isOneOf = (accounts: readonly Account[]) => {
  const [tenants, ids] = [accounts.map((it) => it.tenantId), accounts.map((it) => it.id)];
  return sql<boolean>`(tenant_id, id) in (select * from unnest(${tenants}::text[], ${ids}::text[]))`;
};
