import { type Entity, InvalidOptionsError } from '@polyphase/core';
import { isNativeType, NATIVE_TYPES, type NativeType, serves } from './native-types.ts';

/** Where one entity is in PostgreSQL. What is left out is named as the entity and its fields are. */
export interface TableMapping {
  /** Schema of the table. @default the store's */
  readonly schema?: string;
  /** Name of the table. @default the name of the entity */
  readonly table?: string;
  /** Names of columns, by field. @default the name of the field */
  readonly columns?: Readonly<Record<string, string>>;
  /** Native types of columns, by field; not of the id. @default text, double precision, boolean or jsonb, as the schema has it */
  readonly types?: Readonly<Record<string, NativeType>>;
}

/** Tables and columns, by name of the entity. */
export type TableMap = Readonly<Record<string, TableMapping>>;

/** The names that a store uses: its own schema, and what the map says otherwise. */
export interface TableNames {
  readonly schema: string;
  readonly map: TableMap;
}

/** Schema of the SDK's own tables, of Kysely's migration tables too. */
export const SDK_SCHEMA = 'polyphase';

// Names of PostgreSQL's own columns, which no other column may have.
const SYSTEM_COLUMNS = new Set(['tableoid', 'xmin', 'cmin', 'xmax', 'cmax', 'ctid']);
const PARTS = new Set(['schema', 'table', 'columns', 'types']);

// Whether PostgreSQL takes a name unchanged: it cuts longer ones, and has no NUL. Any other text is a name once it is quoted.
function isName(name: unknown): name is string {
  return (
    typeof name === 'string' &&
    name !== '' &&
    !name.includes('\0') &&
    name.isWellFormed() &&
    new TextEncoder().encode(name).length <= 63
  );
}

/** Whether a column of this name can be: PostgreSQL takes it unchanged, and no column of ours has it. */
function hasColumnName(name: string): boolean {
  return isName(name) && !name.startsWith('hyb_') && !SYSTEM_COLUMNS.has(name);
}

/** Whether tables of entities may be in a schema of this name. */
export function isSchemaName(name: unknown): name is string {
  return isName(name) && !name.startsWith('pg_') && name !== SDK_SCHEMA && name !== 'information_schema';
}

/** What the map says of an entity. */
function mappingOf({ map }: TableNames, entity: string): TableMapping {
  return (Object.hasOwn(map, entity) ? map[entity] : undefined) ?? {};
}

/** Schema and name of an entity's table. */
export function tableNameOf(
  names: TableNames,
  entity: string,
): { readonly schema: string; readonly name: string } {
  const { schema, table } = mappingOf(names, entity);
  return { schema: schema ?? names.schema, name: table ?? entity };
}

/** The native type that the map gives to a field's column. */
export function nativeTypeOf(names: TableNames, entity: string, field: string): NativeType | undefined {
  const { types = {} } = mappingOf(names, entity);
  return Object.hasOwn(types, field) ? types[field] : undefined;
}

/** Name of the column that the map gives to a field, or that it has of itself; undefined where it can have none. */
export function columnNameOf(names: TableNames, entity: string, field: string): string | undefined {
  const columns = mappingOf(names, entity).columns ?? {};
  if (Object.hasOwn(columns, field)) return columns[field];
  return hasColumnName(field) ? field : undefined;
}

const shown = (name: unknown): string =>
  typeof name === 'string' ? JSON.stringify(name.slice(0, 80)) : `(${typeof name})`;

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** What is wrong with a map by itself, before any entity is known. */
export function mapProblems(schema: string, map: unknown): readonly string[] {
  if (!isObject(map)) return ['map must be an object with an entry for each entity that is named otherwise'];
  const problems = Object.entries(map).flatMap(([entity, mapping]) =>
    mappingProblems(mapping).map((problem) => `map.${entity}${problem}`),
  );
  return problems.length > 0 ? problems : sharedTables({ schema, map: map as TableMap }, Object.keys(map));
}

function mappingProblems(mapping: unknown): readonly string[] {
  if (!isObject(mapping)) return [' must be an object'];
  const { schema, table, columns, types } = mapping;
  const problems = Object.keys(mapping)
    .filter((part) => !PARTS.has(part))
    .map((part) => ` has an unknown part ${shown(part)}; there are ${[...PARTS].join(', ')}`);
  if (schema !== undefined && !isSchemaName(schema))
    problems.push(
      `.schema ${shown(schema)} must be a name that PostgreSQL takes, and neither "${SDK_SCHEMA}" nor one of its own`,
    );
  if (table !== undefined && !isName(table))
    problems.push(`.table ${shown(table)} must be 1 to 63 bytes of text without NUL`);
  return [...problems, ...columnsProblems(columns), ...typesProblems(types)];
}

function typesProblems(types: unknown): readonly string[] {
  if (types === undefined) return [];
  if (!isObject(types)) return ['.types must be an object of native types'];
  return Object.entries(types)
    .filter(([, type]) => !isNativeType(type))
    .map(
      ([field, type]) =>
        `.types: field ${shown(field)} cannot be ${shown(type)}; there are ${NATIVE_TYPES.join(', ')}`,
    );
}

function columnsProblems(columns: unknown): readonly string[] {
  const problems: string[] = [];
  if (columns === undefined) return problems;
  if (!isObject(columns)) return ['.columns must be an object of names'];
  for (const [field, column] of Object.entries(columns))
    if (typeof column !== 'string' || !hasColumnName(column))
      problems.push(
        `.columns: field ${shown(field)} cannot be in column ${shown(column)}: 1 to 63 bytes of text without NUL, not hyb_…, and no system column of PostgreSQL`,
      );
  return [...problems, ...sharedColumns(Object.entries(columns)).map((problem) => `.columns: ${problem}`)];
}

function sharedColumns(columns: readonly (readonly [string, unknown])[]): readonly string[] {
  return shared(columns).map(
    ([column, fields]) =>
      `fields ${fields.map(shown).join(' and ')} cannot both be in column ${shown(column)}`,
  );
}

function sharedTables(names: TableNames, entities: readonly string[]): readonly string[] {
  const tables = entities.map((entity) => {
    const { schema, name } = tableNameOf(names, entity);
    return [entity, JSON.stringify([schema, name])] as const;
  });
  return shared(tables).map(
    ([table, several]) => `entities ${several.map(shown).join(' and ')} cannot both be in table ${table}`,
  );
}

// The values that several names have, with those names.
function shared<Value>(
  named: readonly (readonly [string, Value])[],
): readonly (readonly [Value, string[]])[] {
  const by = new Map<Value, string[]>();
  for (const [name, value] of named) by.set(value, [...(by.get(value) ?? []), name]);
  return [...by].filter(([, several]) => several.length > 1);
}

/**
 * Refuses a map that does not fit the entities: one that names an entity or a field that is not there, that puts two entities
 * into one table, or two fields into one column.
 *
 * @throws {@link InvalidOptionsError} with every problem
 */
export function checkMap(names: TableNames, entities: readonly Entity[]): void {
  const known = new Set(entities.map(({ name }) => name));
  const unknown = Object.keys(names.map)
    .filter((name) => !known.has(name))
    .map((name) => `map.${name} is no entity that the store knows; there are ${[...known].join(', ')}`);
  const problems = [
    ...unknown,
    ...sharedTables(names, [...known]),
    ...entities.flatMap((entity) => fieldProblems(names, entity)),
  ];
  if (problems.length > 0)
    throw new InvalidOptionsError({
      message: 'The map of postgresStore does not fit the entities',
      problems,
    });
}

function fieldProblems(names: TableNames, entity: Entity): readonly string[] {
  const fields = entity.fields.map(({ name }) => name);
  const { columns = {} } = mappingOf(names, entity.name);
  const unknown = Object.keys(columns)
    .filter((field) => !fields.includes(field))
    .map((field) => `field ${shown(field)} is not in its schema`);
  const named = fields.flatMap((field) => {
    const column = columnNameOf(names, entity.name, field);
    return column === undefined ? [] : [[field, column] as const];
  });
  return [
    ...[...unknown, ...sharedColumns(named)].map((problem) => `map.${entity.name}.columns: ${problem}`),
    ...nativeProblems(names, entity).map((problem) => `map.${entity.name}.types: ${problem}`),
  ];
}

function nativeProblems(names: TableNames, entity: Entity): readonly string[] {
  const { types = {} } = mappingOf(names, entity.name);
  return Object.entries(types).flatMap(([name, native]) => {
    const field = entity.fields.find((it) => it.name === name);
    if (!field) return [`field ${shown(name)} is not in its schema`];
    if (name === entity.key.id)
      return [`field ${shown(name)} is the id, which is text as part of the primary key`];
    if (columnNameOf(names, entity.name, name) === undefined)
      return [`field ${shown(name)} has no column; map it to one`];
    return serves(native, field.type)
      ? []
      : [`field ${shown(name)} is ${field.type}, which ${native} does not hold`];
  });
}
