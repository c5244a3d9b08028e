import type { Entity } from '@polyphase/core';
import { type Kysely, sql } from 'kysely';
import { type Migration, type MigrationProvider, Migrator } from 'kysely/migration';
import { entityMigrations } from './postgres-migrations.ts';
import { SDK_SCHEMA, type TableNames } from './table-map.ts';

const TABLE = 'kysely_migration';

/**
 * Runs the migrations under Kysely's lock: of processes that start at once, one migrates and the others wait and find it done.
 *
 * @throws what the migration threw; everything is rolled back then
 */
export async function applyMigrations(
  db: Kysely<unknown>,
  entities: readonly Entity[],
  names: TableNames,
): Promise<void> {
  const migrator = new Migrator({
    db,
    provider: withHistory(db, entityMigrations(entities, names)),
    migrationTableSchema: SDK_SCHEMA,
    migrationTableName: TABLE,
    allowUnorderedMigrations: true,
  });
  const { error } = await migrator.migrateToLatest();
  if (error !== undefined) throw error;
}

// Kysely wants to be given every migration that ever ran. Those of earlier schemas, and of entities that other services own, ran and
// are not ours to know: their names stand for nothing to do.
function withHistory(db: Kysely<unknown>, provider: MigrationProvider): MigrationProvider {
  return {
    getMigrations: async () => {
      const { rows } = await sql<{ there: boolean }>`
        select to_regclass(${`${SDK_SCHEMA}.${TABLE}`}) is not null as there`.execute(db);
      const past: Record<string, Migration> = {};
      if (rows[0]?.there === true) {
        const ran = await sql<{ name: string }>`select name from ${sql.id(SDK_SCHEMA, TABLE)}`.execute(db);
        for (const { name } of ran.rows) past[name] = { up: async () => undefined };
      }
      return { ...past, ...(await provider.getMigrations()) };
    },
  };
}
