import { digestOf, type Entity } from '@polyphase/core';
import type { Migration, MigrationProvider } from 'kysely/migration';
import { sdkTables } from './migrations/000001-sdk-tables.ts';
import { entityTable } from './migrations/entity-table.ts';
import { columnsOf } from './table.ts';

/** What {@link postgresMigrations} takes. */
export interface PostgresMigrationOptions {
  /** Schema of the entities' tables. @default "public" */
  readonly schema?: string;
}

/** Schema of the SDK's own tables, of Kysely's migration tables too. */
export const SDK_SCHEMA = 'polyphase';

// Rises when the SDK makes other tables of the same schema.
const FORMAT = 1;

/** Name of the migration that brings an entity's table to what its schema asks for: another schema, another name. */
function entityMigrationName(entity: Entity, schema: string): string {
  const shape = JSON.stringify([FORMAT, columnsOf(entity), entity.key, entity.indexes, entity.loose]);
  return `entity.${schema}.${entity.name}.${digestOf(shape).slice(0, 16)}`;
}

/**
 * The Kysely migrations that make the SDK's tables and those of the entities: to run with a `Migrator` of one's own, or to read.
 * They only add, are safe to repeat, and each is named after what it makes, so that a changed schema brings a new one.
 *
 * A `Migrator` that runs them wants `allowUnorderedMigrations: true`, since schemas change in any order.
 *
 * @example
 * ```ts
 * import { defineEntity } from '@polyphase/core';
 * import { postgresMigrations } from '@polyphase/postgres';
 * import { z } from 'zod';
 *
 * const Account = defineEntity({
 *   name: 'accounts',
 *   schema: z.object({ id: z.string(), tenantId: z.string() }),
 *   key: { partition: 'tenantId', id: 'id' },
 * });
 * const migrations = await postgresMigrations([Account], { schema: 'app' }).getMigrations();
 * console.log(Object.keys(migrations));
 * ```
 */
export function postgresMigrations(
  entities: readonly Entity[],
  options: PostgresMigrationOptions = {},
): MigrationProvider {
  const schema = options.schema ?? 'public';
  return {
    getMigrations: async (): Promise<Record<string, Migration>> => ({
      '000001-sdk-tables': sdkTables,
      ...Object.fromEntries(
        entities.map((entity) => [entityMigrationName(entity, schema), entityTable(entity, schema)]),
      ),
    }),
  };
}
