import type { Entity, GateAnswer } from '@polyphase/core';
import type { Connections, UseOptions } from './connections.ts';
import { nativeSql } from './native-types.ts';
import { countUnfit } from './sql/count-unfit.ts';
import { listClashes } from './sql/list-clashes.ts';
import { type ActualColumn, readColumnsThere } from './sql/read-columns.ts';
import { type ActualIndex, readIndexes } from './sql/read-indexes.ts';
import { readLayout } from './sql/read-layout.ts';
import { readSdkTables } from './sql/read-sdk-tables.ts';
import { readSettings } from './sql/read-settings.ts';
import { readTriggers } from './sql/read-triggers.ts';
import { columnConflicts, type Table, wantedTable } from './table.ts';
import { indexesOf } from './table-index.ts';
import type { TableNames } from './table-map.ts';
import { triggersOf } from './table-triggers.ts';

/** Oldest server: unique indexes that tell null from null are known since then. */
const MIN_SERVER = 150_000;

const CATALOG_TYPES = {
  text: 'text',
  number: 'double precision',
  boolean: 'boolean',
  json: 'jsonb',
} as const;

type Asked = Omit<Table, 'layout'>;

const OWN_TYPES: Readonly<Record<string, string>> = {
  hyb_pk: 'text',
  hyb_term: 'integer',
  hyb_counter: 'bigint',
  hyb_deleted: 'boolean',
  hyb_digest: 'text',
  hyb_ops: 'jsonb',
  hyb_base_term: 'integer',
  hyb_base_counter: 'bigint',
  hyb_base_digest: 'text',
  hyb_expires_at: 'timestamp with time zone',
  hyb_bucket: 'smallint',
  hyb_clash: 'boolean',
  hyb_rest: 'jsonb',
};

const answer = (name: string, problems: readonly string[], seen: string, wanted: string): GateAnswer => ({
  name,
  passed: problems.length === 0,
  seen: problems.length === 0 ? seen : problems.join('; '),
  wanted,
});

/** What is wrong with the server itself: settings under which values would not come back as they were. */
export async function verifyServer(connections: Connections, place: UseOptions): Promise<GateAnswer> {
  const [result] = await connections.run([readSettings.bind(undefined)], place);
  const found = readSettings.rows(result)[0];
  const problems: string[] = [];
  if (!found || found.version < MIN_SERVER) problems.push('the server is older than PostgreSQL 15');
  if (found && found.encoding !== 'UTF8') problems.push(`the database is encoded in ${found.encoding}`);
  if (found && found.floatDigits < 1)
    problems.push(`extra_float_digits is ${found.floatDigits}, which rounds numbers as they are read`);
  const wanted =
    'PostgreSQL 15 or later, a database in UTF8, extra_float_digits at its default of 1 or above';
  return answer('postgres-server', problems, 'all of it', wanted);
}

/** The SDK's own tables and functions that are missing. */
export async function verifySdkTables(connections: Connections, place: UseOptions): Promise<GateAnswer> {
  const [result] = await connections.run([readSdkTables.bind(undefined)], place);
  const missing = readSdkTables.rows(result).map((name) => `polyphase.${name} is missing`);
  return answer(
    'postgres-sdk-tables',
    missing,
    'all there',
    'tables and functions of the schema polyphase; apply the migrations',
  );
}

/** Compares an entity's table with what its schema asks for. */
export async function verifyTable(
  connections: Connections,
  input: { readonly entity: Entity; readonly names: TableNames },
  place: UseOptions,
): Promise<readonly GateAnswer[]> {
  const asked = wantedTable(input.names, input.entity);
  const [layout, columns, indexes, triggers] = await connections.run(
    [readLayout.bind(asked), readColumnsThere.bind(asked), readIndexes.bind(asked), readTriggers.bind(asked)],
    place,
  );
  const found = readLayout.rows(layout)[0];
  const there = readColumnsThere.rows(columns);
  const wanted = `schema ${asked.schema}, table ${asked.name}: apply the migrations (migrations: "apply", or postgresMigrations)`;
  if (there.length === 0 || !found)
    return [answer('postgres-table', [`table ${asked.name} is missing`], '', wanted)];
  const table: Table = { ...asked, ...found };
  const missing = columnProblems(asked, table, there);
  return [
    answer('postgres-table', missing, `${there.length} columns`, wanted),
    answer(
      'postgres-indexes',
      indexProblems(asked, table, readIndexes.rows(indexes)),
      'all there and valid',
      wanted,
    ),
    answer(
      'postgres-raw-writes',
      triggerProblems(table, readTriggers.rows(triggers)),
      'noticed',
      'triggers that notice what is written around the SDK; apply the migrations, or enable them',
    ),
    answer(
      'postgres-unique',
      // Asks for columns that may be missing.
      missing.length > 0 ? [] : await clashProblems(connections, table, place),
      'no value is taken twice',
      'no two records share what an index has as unique; mend those that do',
    ),
  ];
}

/** How many values of native columns did not fit: data, and no reason to stay, since they are kept as they are. */
export async function verifyNative(
  connections: Connections,
  input: { readonly entity: Entity; readonly names: TableNames },
  place: UseOptions,
): Promise<readonly GateAnswer[]> {
  const asked = wantedTable(input.names, input.entity);
  const native = asked.columns.filter((column) => column.native !== undefined);
  if (native.length === 0) return [];
  const statement = countUnfit(asked, native);
  const [result] = await connections.run([statement.bind(undefined)], { ...place, whole: true });
  const seen = statement
    .rows(result)
    .map(({ field, fit, unfit }) => `${field}: ${unfit} of ${fit + unfit} do not fit`);
  const wanted = 'values that their native type holds exactly; all others are in hyb_rest, as they are';
  return [answer('postgres-native', [], seen.join('; '), wanted)];
}

function columnProblems(asked: Asked, table: Table, there: readonly ActualColumn[]): readonly string[] {
  const types = new Map(there.map((column) => [column.name, column]));
  const expect = (name: string, type: string): readonly string[] => {
    const column = types.get(name);
    if (!column) return [`column ${name} is missing`];
    if (column.type !== type) return [`column ${name} is ${column.type}, not ${type}`];
    return type === 'text' && column.collation !== 'C' && (name === 'hyb_pk' || !name.startsWith('hyb_'))
      ? [`column ${name} is not collated "C"`]
      : [];
  };
  const listed = asked.columns.flatMap((column) => {
    const known = table.columns.find(({ field }) => field === column.field);
    return known ? columnConflicts(column, known) : [`field ${column.field} has no column yet`];
  });
  return [
    ...Object.entries(OWN_TYPES).flatMap(([name, type]) => expect(name, type)),
    ...expect(table.idColumn, 'text'),
    ...listed,
    ...table.columns.flatMap(({ name, type, native }) =>
      expect(name, native ? nativeSql(native).catalog : CATALOG_TYPES[type]),
    ),
  ];
}

function indexProblems(asked: Asked, table: Table, there: readonly ActualIndex[]): readonly string[] {
  // A column that is missing has no index either, and is told already.
  if (asked.columns.some(({ field }) => !table.columns.some((it) => it.field === field))) return [];
  return indexesOf(table).flatMap(({ name, unique }) => {
    const index = there.find((it) => it.name === name);
    if (!index) return [`index ${name} is missing`];
    if (!index.valid) return [`index ${name} is invalid; drop it and make it again`];
    return unique && !index.unique ? [`index ${name} is not unique`] : [];
  });
}

function triggerProblems(table: Table, there: readonly string[]): readonly string[] {
  return triggersOf(table)
    .filter(({ name }) => !there.includes(name))
    .map(({ name }) => `trigger ${name} is missing or disabled`);
}

async function clashProblems(
  connections: Connections,
  table: Table,
  place: UseOptions,
): Promise<readonly string[]> {
  const statement = listClashes(table);
  const [result] = await connections.run([statement.bind(undefined)], place);
  const clashing = statement.rows(result).length;
  return clashing === 0
    ? []
    : [`${clashing === 100 ? '100 or more' : clashing} records share a unique value with another`];
}
