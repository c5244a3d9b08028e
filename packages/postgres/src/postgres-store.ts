import {
  type CallOptions,
  type Entity,
  type GateAnswer,
  InvalidOptionsError,
  type RecordStore,
  type RelationalStore,
  type UnitSql,
} from '@polyphase/core';
import type { Kysely } from 'kysely';
import { applyMigrations } from './apply-migrations.ts';
import { Connections, type UseOptions } from './connections.ts';
import type { PostgresPool } from './driver.ts';
import { lentKysely } from './lent-kysely.ts';
import { PostgresCheckpointStore } from './postgres-checkpoint-store.ts';
import { PostgresControlStore } from './postgres-control-store.ts';
import { PostgresDirtyKeys } from './postgres-dirty-keys.ts';
import { PostgresJournal } from './postgres-journal.ts';
import { PostgresLeaseManager } from './postgres-lease-manager.ts';
import { PostgresMembers } from './postgres-members.ts';
import { PostgresRecords } from './postgres-records.ts';
import { PostgresShadowTallies } from './postgres-shadow-tallies.ts';
import { postgresRunUnit } from './postgres-unit-of-work.ts';
import { wantedTable } from './table.ts';
import {
  checkMap,
  isSchemaName,
  mapProblems,
  SDK_SCHEMA,
  type TableMap,
  type TableNames,
} from './table-map.ts';
import { Tables } from './tables.ts';
import { unitKysely } from './unit-kysely.ts';
import { verifyNative, verifySdkTables, verifyServer, verifyTable } from './verify-table.ts';

/** What {@link postgresStore} takes. */
export interface PostgresStoreOptions {
  /** A `Pool` of pg, without `pipeline`. Whoever made it closes it, after everything that uses the store. */
  readonly pool: PostgresPool;
  /** Schema of the entities' tables. The SDK's own are in `polyphase`. @default "public" */
  readonly schema?: string;
  /**
   * Tables and columns that are named otherwise than entities and fields:
   * `{ accounts: { schema: 'crm', table: 'account', columns: { createdAt: 'created_at' } } }`. A column keeps its name.
   *
   * @default none
   */
  readonly map?: TableMap;
  /**
   * What `prepare` does about migrations: `"apply"` runs what is missing, `"check"` says what is missing and changes nothing.
   *
   * @default "apply"
   */
  readonly migrations?: 'apply' | 'check';
  /**
   * Longest wait for a connection, and for the answer to each request, in milliseconds, 100 or more. A request that reads a whole
   * table, and each of a migration, may take twenty times as long.
   *
   * @default 30000
   */
  readonly timeoutMs?: number;
}

/** PostgreSQL as a store of rows. `Db` are the tables that {@link PostgresStore.kysely} knows, as Kysely has them. */
export interface PostgresStore<Db = unknown> extends RelationalStore {
  /**
   * The caller's pool as Kysely, for what the portable API cannot say. Triggers give what is written this way a version and a dirty
   * key; nothing else fences it, and while Cosmos DB is the authority it is drift. Destroying it leaves the pool open.
   */
  readonly kysely: Kysely<Db>;
  /**
   * Kysely on the transaction of a unit of work: what `unit.kysely` of a hybrid is. It costs nothing before its first statement.
   *
   * A statement that fails keeps the unit from committing. What ends a transaction or outlasts it is refused (`UnsupportedError`).
   */
  readonly sqlIn: (join: () => Promise<UnitSql>) => Kysely<Db>;
}

/**
 * A store of rows in PostgreSQL 15 or later. Nothing is sent before the first call.
 *
 * Guarantee: a write is one transaction in READ COMMITTED; what it reports as committed is, and a COMMIT whose reply was lost is
 * settled by the transaction's number and the operation id before `UnknownOutcomeError` is thrown.
 *
 * @throws `InvalidOptionsError` when an option is wrong
 *
 * @example
 * ```ts
 * import { postgresStore } from '@polyphase/postgres';
 * import { Pool } from 'pg';
 *
 * const pool = new Pool({ connectionString: 'postgres://app@localhost/app' });
 * const store = postgresStore({ pool, schema: 'app' });
 * ```
 */
export function postgresStore<Db = unknown>(options: PostgresStoreOptions): PostgresStore<Db> {
  const { pool, schema = 'public', map = {}, migrations = 'apply', timeoutMs = 30_000 } = options;
  checkOptions({ pool, schema, map, migrations, timeoutMs });
  const names: TableNames = { schema, map };
  const connections = new Connections({ pool, timeoutMs });
  const tables = new Tables({ names });
  const records = new Map<Entity, RecordStore>();
  const kysely = lentKysely<Db>(pool, connections);
  const known = new Map<string, Entity>();
  return {
    kind: 'rows',
    kysely,
    records: (entity) => {
      const there = records.get(entity) ?? new PostgresRecords({ entity, connections, tables });
      records.set(entity, there);
      known.set(entity.name, entity);
      return there;
    },
    runUnit: postgresRunUnit({ connections, tables }),
    sqlIn: (join) => unitKysely<Db>(join),
    checkpoints: new PostgresCheckpointStore({ connections }),
    leases: new PostgresLeaseManager({ connections }),
    control: new PostgresControlStore({ connections }),
    members: new PostgresMembers({ connections }),
    shadowTallies: new PostgresShadowTallies({ connections }),
    dirtyKeys: new PostgresDirtyKeys({
      connections,
      tableOf: (name) => {
        const entity = known.get(name);
        return entity && wantedTable(names, entity);
      },
    }),
    journal: new PostgresJournal({ connections }),
    prepare: async (entities, { signal }: CallOptions = {}) => {
      const place: UseOptions = { operation: 'prepare', signal };
      for (const entity of entities) known.set(entity.name, entity);
      checkMap(names, [...known.values()]);
      const missing = await problemsOf(connections, entities, names, place);
      if (missing.length > 0 && migrations === 'apply')
        await applyMigrations(connections, { entities, names }, place);
      const problems =
        missing.length > 0 && migrations === 'apply'
          ? await problemsOf(connections, entities, names, place)
          : missing;
      if (problems.length > 0)
        throw new InvalidOptionsError({ message: 'PostgreSQL is not ready for these entities', problems });
    },
    verify: async (entity, { signal }: CallOptions = {}) => {
      const place: UseOptions = { operation: 'verify', entity: entity.name, signal };
      const sdk = [await verifyServer(connections, place), await verifySdkTables(connections, place)];
      if (sdk.some(({ passed }) => !passed)) return sdk;
      const table = await verifyTable(connections, { entity, names }, place);
      const isThere = table.some(({ name, passed }) => name === 'postgres-table' && passed);
      return [
        ...sdk,
        ...table,
        ...(isThere ? await verifyNative(connections, { entity, names }, place) : []),
      ];
    },
  };
}

// What records share is found by the data, not by a migration: it is a gate's business and keeps nobody from starting.
async function problemsOf(
  connections: Connections,
  entities: readonly Entity[],
  names: TableNames,
  place: UseOptions,
): Promise<readonly string[]> {
  const server = await verifyServer(connections, place);
  if (!server.passed)
    throw new InvalidOptionsError({
      message: `PostgreSQL cannot be used: ${server.seen}; wanted: ${server.wanted}`,
    });
  const answers: GateAnswer[] = [await verifySdkTables(connections, place)];
  for (const entity of answers[0]?.passed === true ? entities : [])
    answers.push(...(await verifyTable(connections, { entity, names }, place)));
  return answers
    .filter(({ passed, name }) => !passed && name !== 'postgres-unique')
    .map(({ seen, wanted }) => `${seen} (wanted: ${wanted})`);
}

function checkOptions({ pool, schema, map, migrations, timeoutMs }: Required<PostgresStoreOptions>): void {
  const problems: string[] = [];
  if (typeof pool?.connect !== 'function') problems.push('pool must be a Pool of pg');
  else if ('pipeline' in pool.options && pool.options.pipeline === true)
    problems.push(
      'pool must be made without pipeline: the store sends its own batches, which that mode refuses',
    );
  if (!isSchemaName(schema))
    problems.push(
      `schema must be a name that PostgreSQL takes, and neither "${SDK_SCHEMA}" nor one of its own`,
    );
  problems.push(...mapProblems(schema, map));
  if (migrations !== 'apply' && migrations !== 'check')
    problems.push('migrations must be "apply" or "check"');
  if (typeof timeoutMs !== 'number' || !(timeoutMs >= 100)) problems.push('timeoutMs must be 100 or more');
  if (problems.length > 0)
    throw new InvalidOptionsError({ message: 'postgresStore cannot be made', problems });
}
