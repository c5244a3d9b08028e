import { ConnectionError, type Entity, UnsupportedError } from '@polyphase/core';
import { type Kysely, sql } from 'kysely';
import { type Migration, type MigrationProvider, Migrator } from 'kysely/migration';
import { bareDialect } from './bare-dialect.ts';
import type { Connections, UseOptions } from './connections.ts';
import { entityMigrations } from './postgres-migrations.ts';
import type { Session } from './session.ts';
import { lockMigrations } from './sql/lock-migrations.ts';
import { SDK_SCHEMA, type TableNames } from './table-map.ts';
import { BEGIN, COMMIT } from './transaction.ts';
import { transactionKysely } from './transaction-kysely.ts';

const TABLE = 'kysely_migration';

// The transaction has its lock from before Kysely makes the table of what ran. Kysely's own lock would outlast the transaction, which
// behind a pooler is to leave it on a connection that others get.
const dialect: typeof bareDialect = {
  ...bareDialect,
  createAdapter: () => ({
    supportsCreateIfNotExists: true,
    supportsMultipleConnections: true,
    supportsTransactionalDdl: true,
    supportsReturning: true,
    acquireMigrationLock: async () => undefined,
    releaseMigrationLock: async () => undefined,
  }),
};

/** What is migrated to. */
interface Wanted {
  readonly entities: readonly Entity[];
  readonly names: TableNames;
}

/**
 * Runs the migrations in one transaction, on one connection and under a lock: of processes that start at once, one migrates and the
 * others wait and find it done. Each statement may take as long as one that reads a whole table.
 *
 * @throws what a migration threw; everything is rolled back then
 * @throws `ConnectionError` when the connection was lost as it was committed; running them again is safe
 * @throws `TimeoutError` when one of them, or another process that migrates, took too long
 */
export async function applyMigrations(
  connections: Connections,
  wanted: Wanted,
  place: UseOptions,
): Promise<void> {
  await connections.use((session) => migrate(session, wanted), { ...place, whole: true });
}

async function migrate(session: Session, { entities, names }: Wanted): Promise<void> {
  session.open = true;
  await session.run([BEGIN, lockMigrations]);
  const db = transactionKysely<unknown>({
    send: (text, values) => session.query(text, values),
    stream: () => {
      throw new UnsupportedError({ message: 'Migrations do not stream rows' });
    },
    dialect,
  });
  const migrator = new Migrator({
    db,
    provider: withHistory(db, entityMigrations(entities, names)),
    migrationTableSchema: SDK_SCHEMA,
    migrationTableName: TABLE,
    allowUnorderedMigrations: true,
  });
  const { error } = await migrator.migrateToLatest();
  if (error !== undefined) throw error;
  try {
    await session.run([COMMIT]);
    session.open = false;
  } catch (cause) {
    if (!session.broken) throw cause;
    const message =
      'The connection was lost while the migrations were committed; prepare again, which is safe';
    throw new ConnectionError({ message, cause });
  }
}

// Kysely wants to be given every migration that ever ran. Those of earlier schemas, and of entities that other services own, ran and
// are not ours to know: their names stand for nothing to do.
function withHistory(db: Kysely<unknown>, provider: MigrationProvider): MigrationProvider {
  return {
    getMigrations: async () => {
      const ran = await sql<{ name: string }>`select name from ${sql.id(SDK_SCHEMA, TABLE)}`.execute(db);
      const past: Record<string, Migration> = {};
      for (const { name } of ran.rows) past[name] = { up: async () => undefined };
      return { ...past, ...(await provider.getMigrations()) };
    },
  };
}
