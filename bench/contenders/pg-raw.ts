import { Client, Pool, type QueryResult } from 'pg';
import type { Account } from '../account.ts';
import type { Contender, Ground } from '../contender.ts';
import { makeCopyRows } from './copy-rows.ts';

/** The table that the contenders without one of their own use. */
export const accountsTable = `
  create table accounts (
    tenant_id text collate "C" not null, id text collate "C" not null, email text not null, name text not null,
    age double precision not null, active boolean not null, created_at text collate "C" not null, profile jsonb not null,
    version int not null default 1, primary key (tenant_id, id));
  create index accounts_created on accounts (tenant_id, created_at)`;

const columns = 'tenant_id, id, email, name, age, active, created_at, profile';

/** A row by the names of its columns. */
export function rowOf(it: Account) {
  return {
    tenant_id: it.tenantId,
    id: it.id,
    email: it.email,
    name: it.name,
    age: it.age,
    active: it.active,
    created_at: it.createdAt,
    profile: it.profile,
  };
}

function cellsOf(it: Account): unknown[] {
  return [it.tenantId, it.id, it.email, it.name, it.age, it.active, it.createdAt, it.profile];
}

/** Fills the shared table. */
export async function fillAccounts(pool: Pool, accounts: readonly Account[]): Promise<void> {
  await pool.query(accountsTable);
  const insert = `insert into accounts (${columns}) values ($1, $2, $3, $4, $5, $6, $7, $8)`;
  for (const account of accounts) await pool.query({ name: 'fill', text: insert, values: cellsOf(account) });
  await pool.query('analyze accounts');
}

type Run = (statement: string, text: string, values: unknown[]) => Promise<QueryResult>;

/** node-postgres with named statements: what everything else is held against. */
export async function makePgRaw(ground: Ground, name = 'pg, named'): Promise<Contender> {
  const pool = new Pool({ connectionString: ground.url, max: ground.connections });
  await fillAccounts(pool, ground.accounts);
  const run: Run = (statement, text, values) => pool.query({ name: statement, text, values });
  return { ...contender(name, ground, run), bulk: await makeCopyRows(pool), close: () => pool.end() };
}

/** node-postgres in its pipeline mode, on two connections that everybody shares. */
export async function makePgPipelined(ground: Ground): Promise<Contender> {
  const pool = new Pool({ connectionString: ground.url, max: 1 });
  await fillAccounts(pool, ground.accounts);
  await pool.end();
  const clients = [1, 2].map(() => new Client({ connectionString: ground.url, pipeline: true }));
  for (const client of clients) await client.connect();
  let next = 0;
  const run: Run = (statement, text, values) => {
    next += 1;
    return (clients[next % clients.length] as Client).query({ name: statement, text, values });
  };
  return {
    ...contender('pg, pipelined', ground, run),
    close: async () => {
      for (const client of clients) await client.end();
    },
  };
}

function contender(name: string, ground: Ground, run: Run): Omit<Contender, 'close'> {
  const versions = new Map(ground.accounts.map(({ id }) => [id, 1]));
  return {
    name,
    get: ({ tenantId, id }) =>
      run('get', `select ${columns}, version from accounts where tenant_id = $1 and id = $2`, [tenantId, id]),
    insert: (account) =>
      run(
        'insert',
        `insert into accounts (${columns}) values ($1, $2, $3, $4, $5, $6, $7, $8)`,
        cellsOf(account),
      ),
    update: async (account) => {
      const version = versions.get(account.id) ?? 1;
      const text = `update accounts set email = $3, name = $4, age = $5, active = $6, created_at = $7, profile = $8,
        version = version + 1 where tenant_id = $1 and id = $2 and version = $9`;
      const { rowCount } = await run('update', text, [...cellsOf(account), version]);
      if (rowCount !== 1) throw new Error('the update met another version');
      versions.set(account.id, version + 1);
    },
    query100: async (tenantId) => {
      const text = `select ${columns}, version from accounts where tenant_id = $1 order by created_at, id limit 100`;
      return (await run('query', text, [tenantId])).rows;
    },
    getMany100: async (accounts) => {
      const text = `select ${columns}, version from accounts
        where (tenant_id, id) in (select * from unnest($1::text[], $2::text[]))`;
      const keys = [accounts.map((it) => it.tenantId), accounts.map((it) => it.id)];
      return (await run('many', text, keys)).rows;
    },
  };
}
