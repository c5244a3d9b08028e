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
    drop: () => once(adminUrl, `drop database if exists ${quote(name)} with (force)`),
  };
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
