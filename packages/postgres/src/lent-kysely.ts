import { Kysely, PostgresDialect } from 'kysely';
import type { Connections } from './connections.ts';
import type { PostgresPool } from './driver.ts';

/**
 * A pool that somebody else closes, as Kysely: destroying a Kysely ends its pool, and this one is the caller's. Its wait for a
 * connection is bounded as every other's.
 */
export function lentKysely<Tables = unknown>(pool: PostgresPool, connections: Connections): Kysely<Tables> {
  const lent = {
    connect: () => connections.lend({ operation: 'kysely' }),
    end: async (): Promise<void> => undefined,
    options: pool.options,
  };
  return new Kysely({ dialect: new PostgresDialect({ pool: lent }) });
}
