import { digestOf, type Entity, InvalidOptionsError } from '@polyphase/core';
import type { Migration, MigrationProvider } from 'kysely/migration';
import { sdkTables } from './migrations/000001-sdk-tables.ts';
import { nativeTexts } from './migrations/000002-native-texts.ts';
import { configTable } from './migrations/000003-config.ts';
import { rawWrites } from './migrations/000004-raw-writes.ts';
import { rawExpiry } from './migrations/000005-raw-expiry.ts';
import { members } from './migrations/000006-members.ts';
import { shadowTallies } from './migrations/000007-shadow-tallies.ts';
import { together } from './migrations/000008-together.ts';
import { memberSupports } from './migrations/000009-member-supports.ts';
import { leaseDuration } from './migrations/000010-lease-duration.ts';
import { entityTable } from './migrations/entity-table.ts';
import { wantedTable } from './table.ts';
import { checkMap, isSchemaName, mapProblems, type TableMap, type TableNames } from './table-map.ts';

/** What {@link postgresMigrations} takes. */
export interface PostgresMigrationOptions {
  /** Schema of the entities' tables. @default "public" */
  readonly schema?: string;
  /** Tables and columns that are named otherwise than entities and fields, as the store has them. @default none */
  readonly map?: TableMap;
}

// Rises when the SDK makes other tables of the same schema.
const FORMAT = 3;

/** Name of the migration that brings an entity's table to what its schema asks for: another schema, another name. */
function entityMigrationName(entity: Entity, names: TableNames): string {
  const { schema, name, idColumn, columns } = wantedTable(names, entity);
  const shape = JSON.stringify([FORMAT, idColumn, columns, entity.key, entity.indexes, entity.loose]);
  return `entity.${schema}.${name}.${digestOf(shape).slice(0, 16)}`;
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
  const { schema = 'public', map = {} } = options;
  const names = { schema, map };
  const problems = isSchemaName(schema)
    ? mapProblems(schema, map)
    : ['schema must be a name that PostgreSQL takes'];
  if (problems.length > 0)
    throw new InvalidOptionsError({ message: 'postgresMigrations cannot be made', problems });
  checkMap(names, entities);
  return entityMigrations(entities, names);
}

/** As {@link postgresMigrations}, of names that were checked. */
export function entityMigrations(entities: readonly Entity[], names: TableNames): MigrationProvider {
  return {
    getMigrations: async (): Promise<Record<string, Migration>> => ({
      '000001-sdk-tables': sdkTables,
      '000002-native-texts': nativeTexts,
      '000003-config': configTable,
      '000004-raw-writes': rawWrites,
      '000005-raw-expiry': rawExpiry,
      '000006-members': members,
      '000007-shadow-tallies': shadowTallies,
      '000008-together': together,
      '000009-member-supports': memberSupports,
      '000010-lease-duration': leaseDuration,
      ...Object.fromEntries(
        entities.map((entity) => [entityMigrationName(entity, names), entityTable(entity, names)]),
      ),
    }),
  };
}
