import { randomBytes } from 'node:crypto';
import { Client } from 'pg';

/** A database of one's own on a shared server. */
export interface Database {
  /** Where clients connect. */
  readonly url: string;
  /** Removes the database, ending whatever is still connected to it. Safe to repeat. */
  drop(): Promise<void>;
}

/** A name for a database that no other test file has. */
export function databaseName(): string {
  return `t_${randomBytes(8).toString('hex')}`;
}

/** The address of the database `name` on the server of `adminUrl`. */
export function databaseUrl(adminUrl: string, name: string): string {
  const url = new URL(adminUrl);
  url.pathname = `/${encodeURIComponent(name)}`;
  return url.href;
}

/** A new, empty database. */
export async function createDatabase(adminUrl: string, name: string = databaseName()): Promise<Database> {
  await once(adminUrl, `create database ${quote(name)}`);
  return {
    url: databaseUrl(adminUrl, name),
    drop: async () => {
      await once(adminUrl, untilLeft(name));
      await once(adminUrl, `drop database if exists ${quote(name)} with (force)`);
    },
  };
}

// A client has ended before the server has noticed. To be thrown out by the server then is an error that nobody listens for any more.
function untilLeft(name: string): string {
  return `do $$ begin
    for look in 1..100 loop
      exit when not exists (select from pg_stat_activity where datname = '${name.replaceAll("'", "''")}');
      perform pg_sleep(0.01);
      perform pg_stat_clear_snapshot();
    end loop;
  end $$`;
}

function quote(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}

async function once(url: string, statement: string): Promise<void> {
  const client = new Client({ connectionString: url });
  await client.connect();
  try {
    await client.query(statement);
  } finally {
    await client.end();
  }
}
