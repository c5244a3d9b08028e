import { Kysely, PostgresDialect } from 'kysely';
import { guard, type PostgresPool } from './driver.ts';

/** A pool that somebody else closes, as Kysely: destroying a Kysely ends its pool, and this one is the caller's. */
export function lentKysely<Tables = unknown>(pool: PostgresPool): Kysely<Tables> {
  const connect = async (): ReturnType<PostgresPool['connect']> => {
    const client = await pool.connect();
    guard(client);
    return client;
  };
  const lent = { connect, end: async (): Promise<void> => undefined, options: pool.options };
  return new Kysely({ dialect: new PostgresDialect({ pool: lent }) });
}
