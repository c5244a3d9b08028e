import { and, asc, eq, inArray, sql } from 'drizzle-orm';
import { drizzle } from 'drizzle-orm/node-postgres';
import { boolean, doublePrecision, integer, jsonb, pgTable, text } from 'drizzle-orm/pg-core';
import { Pool } from 'pg';
import type { Account } from '../account.ts';
import type { Contender, Ground } from '../contender.ts';
import { fillAccounts } from './pg-raw.ts';

const table = pgTable('accounts', {
  tenantId: text('tenant_id').notNull(),
  id: text().notNull(),
  email: text().notNull(),
  name: text().notNull(),
  age: doublePrecision().notNull(),
  active: boolean().notNull(),
  createdAt: text('created_at').notNull(),
  profile: jsonb().$type<Account['profile']>().notNull(),
  version: integer().notNull().default(1),
});

/** Drizzle over node-postgres. */
export async function makeDrizzle(ground: Ground): Promise<Contender> {
  const pool = new Pool({ connectionString: ground.url, max: ground.connections });
  await fillAccounts(pool, ground.accounts);
  const db = drizzle({ client: pool });
  const versions = new Map(ground.accounts.map(({ id }) => [id, 1]));
  const isKey = ({ tenantId, id }: Account) => and(eq(table.tenantId, tenantId), eq(table.id, id));
  return {
    name: 'drizzle',
    get: (account) => db.select().from(table).where(isKey(account)),
    insert: (account) => db.insert(table).values(account),
    update: async (account) => {
      const version = versions.get(account.id) ?? 1;
      const { rowCount } = await db
        .update(table)
        .set({ ...account, version: version + 1 })
        .where(and(isKey(account), eq(table.version, version)));
      if (rowCount !== 1) throw new Error('the update met another version');
      versions.set(account.id, version + 1);
    },
    query100: (tenantId) =>
      db
        .select()
        .from(table)
        .where(eq(table.tenantId, tenantId))
        .orderBy(asc(table.createdAt), asc(table.id))
        .limit(100),
    // by id, which is unique here: drizzle has no tuples
    getMany100: (accounts) =>
      db
        .select()
        .from(table)
        .where(
          and(
            inArray(table.tenantId, [...new Set(accounts.map((it) => it.tenantId))]),
            sql`${table.id} = any(${sql.param(accounts.map((it) => it.id))}::text[])`,
          ),
        ),
    close: () => pool.end(),
  };
}
