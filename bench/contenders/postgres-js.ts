import postgres from 'postgres';
import type { Contender, Ground } from '../contender.ts';
import { accountsTable, rowOf } from './pg-raw.ts';

/** postgres.js, which pipelines statements on each connection. */
export async function makePostgresJs(ground: Ground): Promise<Contender> {
  const sql = postgres(ground.url, { max: ground.connections, onnotice: () => undefined });
  await sql.unsafe(accountsTable);
  for (const account of ground.accounts) await sql`insert into accounts ${sql(rowOf(account))}`;
  await sql`analyze accounts`;
  const versions = new Map(ground.accounts.map(({ id }) => [id, 1]));
  return {
    name: 'postgres.js',
    get: ({ tenantId, id }) => sql`select * from accounts where tenant_id = ${tenantId} and id = ${id}`,
    insert: (account) => sql`insert into accounts ${sql(rowOf(account))}`,
    update: async (account) => {
      const version = versions.get(account.id) ?? 1;
      const { count } = await sql`
        update accounts set ${sql(rowOf(account))}, version = version + 1
        where tenant_id = ${account.tenantId} and id = ${account.id} and version = ${version}`;
      if (count !== 1) throw new Error('the update met another version');
      versions.set(account.id, version + 1);
    },
    query100: (tenantId) =>
      sql`select * from accounts where tenant_id = ${tenantId} order by created_at, id limit 100`,
    getMany100: (accounts) => sql`
      select * from accounts where (tenant_id, id) in
        (select * from unnest(${accounts.map((it) => it.tenantId)}::text[], ${accounts.map((it) => it.id)}::text[]))`,
    close: () => sql.end(),
  };
}
