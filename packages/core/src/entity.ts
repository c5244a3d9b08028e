import { digestOf } from './digest.ts';
import type { Duration } from './duration.ts';
import {
  acceptedTypes,
  describeSchema,
  type EntitySchema,
  type Field,
  type SchemaDescription,
  schemaAt,
} from './entity-schema.ts';
import { InvalidDataError, InvalidOptionsError } from './errors.ts';
import { TTL_FIELD, ttlSeconds } from './expiry.ts';
import {
  canonicalJson,
  type Issue,
  isJsonObject,
  type JsonObject,
  MAX_BYTES,
  portabilityIssues,
  valueAt,
} from './json.ts';
import { checkKey, keyLabel, type PartitionLevel, type RecordKey } from './key.ts';
import type { Shape } from './merge.ts';
import { schemaIssues } from './schema-check.ts';

/** An index that queries lean on. `orderBy` names the fields of one, in its order. */
export interface EntityIndex {
  /** Top-level fields, in the order of the index. */
  readonly fields: readonly string[];
  /**
   * `"partition"`: no two live records of one partition share these values. `"global"`: no two live records at all. PostgreSQL
   * enforces that once it is the authority (from phase 6 on); Cosmos DB cannot, so until then two partitions may hold one value,
   * and the gates to the flip stay closed while they do. A missing value counts as null, and null as a value.
   *
   * @default none
   */
  readonly unique?: 'partition' | 'global' | undefined;
}

/** What {@link defineEntity} takes. */
export interface EntityOptions<Name extends string, Value, Partition extends string, Id extends string> {
  /** Name of the entity: of its config entry, and by default of its container and table. Letters, digits, `_` and `-`. */
  readonly name: Name;
  /** Checks values; never decides what is stored. Must not transform, default or coerce. */
  readonly schema: EntitySchema<Value>;
  /** Where a record's key is in its value: one path (or several, outermost first) for the partition, and the field of the id. */
  readonly key: { readonly partition: Partition | readonly Partition[]; readonly id: Id };
  /** Indexes for queries and uniqueness. @default none */
  readonly indexes?: readonly EntityIndex[];
  /**
   * Whether stored documents that the schema refuses are read, patched and moved as they are. New values that an application
   * writes are checked either way. @default false
   */
  readonly loose?: boolean;
  /**
   * Records expire: so long after their last write, unless their own field `ttl` (whole seconds, or -1 for ever) says otherwise;
   * null: only those that have that field. Whole seconds. Say what the container's `defaultTtl` says (null for -1), where there is one.
   *
   * @default nothing expires, and `ttl` is a field like others
   */
  readonly ttl?: Duration | null | undefined;
}

/** A kind of record: its name, its schema, and where its key is. Make one with {@link defineEntity}. */
export interface Entity<Value = unknown, Name extends string = string, KeyPath extends string = string> {
  readonly name: Name;
  /** Paths of the partition levels, outermost first, and the field of the id. */
  readonly key: { readonly partition: readonly KeyPath[]; readonly id: KeyPath };
  readonly indexes: readonly EntityIndex[];
  readonly loose: boolean;
  /** Seconds that a record lives after its last write where its own field `ttl` says nothing; null: for ever; undefined: nothing expires. */
  readonly ttl: number | null | undefined;
  /** Top-level fields that the schema declares, in its order. */
  readonly fields: readonly Field[];
  /** The field names that the schema declares at every depth. */
  readonly shape: Shape;
  /** Digest of the schema, key, indexes and time to live: processes that differ in it do not agree on the entity. */
  readonly fingerprint: string;
  /**
   * Checks a value without changing it.
   *
   * @param known - what is known of the value already: `portable`, that every store could hold it
   * @returns the issues: of the schema, of the key, and of what no store could keep. Empty when the value may be stored
   */
  issues(value: unknown, known?: { readonly portable?: boolean | undefined }): readonly Issue[];
  /** Carries the type of values for inference; undefined at run time. */
  readonly '~value'?: Value;
}

/** The type of an entity's values. */
export type EntityValue<E extends Entity> = E extends Entity<infer Value> ? Value : never;

/** The value at a dotted path of a type. */
export type ValueAtPath<Value, Path extends string> = Path extends keyof Value
  ? Value[Path]
  : Path extends `${infer Head}.${infer Rest}`
    ? Head extends keyof Value
      ? ValueAtPath<NonNullable<Value[Head]>, Rest>
      : never
    : never;

/** The key of an entity's records: one entry for each key path, named by the path. */
export type EntityKey<E extends Entity> =
  E extends Entity<infer Value, string, infer Path> ? { readonly [P in Path]: ValueAtPath<Value, P> } : never;

/** Splits a dotted path of field names. */
export function splitPath(path: string): readonly string[] {
  return path.split('.');
}

const NAME = /^[A-Za-z][\w-]{0,62}$/;
const PARTITION_TYPES: ReadonlySet<string> = new Set(['string', 'number', 'integer', 'boolean', 'null']);

// Names that Cosmos DB or the SDK puts into a document.
const RESERVED_FIELDS = ['_h', '_rid', '_self', '_etag', '_ts', '_attachments', '_lsn'];

function keyProblems(
  description: SchemaDescription,
  partition: readonly string[],
  id: string,
): readonly string[] {
  const problems: string[] = [];
  if (partition.length === 0 || partition.length > 3)
    problems.push('key.partition must name one to three paths');
  for (const [what, path] of [
    ...partition.map((it) => ['key.partition', it] as const),
    ['key.id', id] as const,
  ]) {
    const found = schemaAt(description.json, splitPath(path));
    if (!found) problems.push(`${what} "${path}" is not a field of the schema`);
    else if (!found.required)
      problems.push(`${what} "${path}" is optional in the schema; a key field must be required`);
    else if (what === 'key.id' && [...acceptedTypes(found.schema)].some((type) => type !== 'string'))
      problems.push(`key.id "${path}" must be text and nothing else`);
    else if (![...acceptedTypes(found.schema)].every((type) => PARTITION_TYPES.has(type)))
      problems.push(`${what} "${path}" must be text, a number, a boolean or null`);
  }
  if (id.includes('.')) problems.push('key.id must be a top-level field');
  return problems;
}

function optionProblems(
  options: EntityOptions<string, unknown, string, string>,
  description: SchemaDescription,
): readonly string[] {
  const problems: string[] = [];
  if (!NAME.test(options.name))
    problems.push(
      `name "${options.name}" must start with a letter and hold letters, digits, _ and - only (63 at most)`,
    );
  problems.push(...ttlProblems(options.ttl));
  const names = new Set(description.fields.map((field) => field.name));
  for (const name of RESERVED_FIELDS) if (names.has(name)) problems.push(`field "${name}" is reserved`);
  for (const index of options.indexes ?? []) {
    if (index.fields.length === 0) problems.push('an index must name at least one field');
    if (index.unique !== undefined && index.unique !== 'partition' && index.unique !== 'global')
      problems.push('unique of an index must be "partition" or "global"');
    for (const field of index.fields)
      if (!names.has(field)) problems.push(`index field "${field}" is not a field of the schema`);
  }
  return problems;
}

function ttlProblems(ttl: unknown): readonly string[] {
  if (ttl === undefined || ttl === null) return [];
  try {
    // The check is for callers without types.
    ttlSeconds(ttl as Duration, 'ttl');
    return [];
  } catch (error) {
    if (!InvalidOptionsError.isInstance(error)) throw error;
    return [error.message];
  }
}

// Where records expire, every one may have the field, whether its schema names it or not.
function withoutLifetime(value: JsonObject): JsonObject {
  return Object.fromEntries(Object.entries(value).filter(([name]) => name !== TTL_FIELD));
}

function reservedIssues(value: JsonObject): readonly Issue[] {
  return RESERVED_FIELDS.filter((name) => Object.hasOwn(value, name)).map((name) => ({
    path: [name],
    message: 'this field name is reserved',
  }));
}

// Cosmos DB takes a top-level field of this name for the document's lifetime, and refuses any other meaning.
function lifetimeIssues(value: JsonObject): readonly Issue[] {
  const ttl = Object.hasOwn(value, 'ttl') ? value['ttl'] : undefined;
  const fits = typeof ttl === 'number' && Number.isInteger(ttl) && (ttl === -1 || (ttl > 0 && ttl < 2 ** 31));
  if (ttl === undefined || ttl === null || fits) return [];
  return [
    {
      path: ['ttl'],
      message:
        'must be a whole number of seconds, or -1 for ever: Cosmos DB takes it for the lifetime of the document',
    },
  ];
}

/**
 * Declares a kind of record.
 *
 * @throws {@link InvalidOptionsError} listing every problem: a key field that is missing, optional or of the wrong type, a schema
 * that transforms or fills in defaults, an index over a field that is not there, a reserved name
 *
 * @example
 * ```ts
 * import { defineEntity, type EntityValue } from '@polyphase/core';
 * import { z } from 'zod';
 *
 * const Account = defineEntity({
 *   name: 'accounts',
 *   schema: z.object({ id: z.uuid(), tenantId: z.string(), email: z.email() }),
 *   key: { partition: 'tenantId', id: 'id' },
 *   indexes: [{ fields: ['email'], unique: 'partition' }],
 * });
 * type Account = EntityValue<typeof Account>;
 * ```
 */
export function defineEntity<
  const Name extends string,
  Value extends object,
  const Partition extends string,
  const Id extends string,
>(options: EntityOptions<Name, Value, Partition, Id>): Entity<Value, Name, Partition | Id> {
  const { problems, description } = describeSchema(options.schema);
  const partition: readonly Partition[] =
    typeof options.key.partition === 'string' ? [options.key.partition] : [...options.key.partition];
  const all =
    problems.length > 0
      ? problems
      : [...optionProblems(options, description), ...keyProblems(description, partition, options.key.id)];
  if (all.length > 0)
    throw new InvalidOptionsError({ message: `Entity "${options.name}" is not usable`, problems: all });

  const key = { partition, id: options.key.id };
  const indexes = (options.indexes ?? []).map((index) => Object.freeze({ ...index }));
  const ttl =
    options.ttl === undefined || options.ttl === null ? options.ttl : ttlSeconds(options.ttl, 'ttl');
  const identity = {
    key: { partition: [...partition], id: key.id },
    indexes: indexes.map((it) => ({ fields: [...it.fields], unique: it.unique ?? null })),
    schema: description.json,
    ...(options.ttl === undefined ? {} : { ttl: ttl ?? null }),
  };
  const hidesLifetime = ttl !== undefined && !description.fields.some(({ name }) => name === TTL_FIELD);
  return Object.freeze({
    name: options.name,
    key: Object.freeze(key),
    indexes: Object.freeze(indexes),
    loose: options.loose ?? false,
    ttl,
    fields: description.fields,
    shape: description.shape,
    fingerprint: digestOf(canonicalJson(identity)),
    issues: (value: unknown, known?: { readonly portable?: boolean | undefined }): readonly Issue[] => {
      const unportable = known?.portable === true ? [] : portabilityIssues(value);
      if (unportable.length > 0) return unportable;
      if (!isJsonObject(value)) return [{ path: [], message: 'must be an object' }];
      const checked = hidesLifetime && Object.hasOwn(value, TTL_FIELD) ? withoutLifetime(value) : value;
      const found = schemaIssues(options.schema, checked, options.name);
      const others = [...reservedIssues(value), ...lifetimeIssues(value)];
      return others.length === 0 ? found : [...others, ...found];
    },
  });
}

/**
 * The key of a value, taken from the entity's key paths.
 *
 * @throws {@link InvalidDataError} when the id is not text, or some store cannot hold the key
 */
export function keyOfValue(entity: Entity, value: JsonObject): RecordKey {
  const id = valueAt(value, [entity.key.id]);
  const partition = entity.key.partition.map((path) =>
    asLevel(valueAt(value, splitPath(path)), entity, path),
  );
  if (typeof id !== 'string')
    throw new InvalidDataError({
      message: `A record of ${entity.name} has no id`,
      entity: entity.name,
      issues: [{ path: [entity.key.id], message: 'must be text' }],
    });
  const key = { partition, id };
  checkKey(key, entity.name);
  return key;
}

/**
 * The record key that a caller's key object (one entry for each key path) stands for.
 *
 * @throws {@link InvalidDataError} when an entry is missing, or some store cannot hold the key
 */
export function keyFrom(entity: Entity, input: Readonly<Record<string, unknown>>): RecordKey {
  const read = (path: string): unknown => {
    if (!Object.hasOwn(input, path) || input[path] === undefined) {
      throw new InvalidDataError({
        message: `A key of ${entity.name} needs ${[...entity.key.partition, entity.key.id].join(', ')}`,
        entity: entity.name,
        issues: [{ path: [path], message: 'is missing' }],
      });
    }
    return input[path];
  };
  const id = read(entity.key.id);
  const key = {
    partition: entity.key.partition.map((path) => asLevel(read(path), entity, path)),
    id: typeof id === 'string' ? id : '',
  };
  checkKey(key, entity.name);
  return key;
}

function asLevel(level: unknown, entity: Entity, path: string): PartitionLevel {
  if (
    level === undefined ||
    level === null ||
    typeof level === 'string' ||
    typeof level === 'number' ||
    typeof level === 'boolean'
  )
    return level;
  throw new InvalidDataError({
    message: `A partition key of ${entity.name} cannot be used`,
    entity: entity.name,
    issues: [{ path: [path], message: 'must be text, a number, a boolean or null' }],
  });
}

/**
 * Checks a value that is about to be stored, without changing it.
 *
 * @throws {@link InvalidDataError} with the issues, or when its canonical JSON is longer than {@link MAX_BYTES}
 */
export function checkValue(entity: Entity, value: unknown, operation: string): asserts value is JsonObject {
  const issues = entity.issues(value);
  if (issues.length > 0 || !isJsonObject(value))
    throw new InvalidDataError({
      message: `A value of ${entity.name} was refused`,
      operation,
      entity: entity.name,
      issues,
    });
  checkSize(entity, value, operation);
}

/**
 * Refuses a value whose canonical JSON is longer than {@link MAX_BYTES}.
 *
 * @throws {@link InvalidDataError}
 */
export function checkSize(entity: Entity, value: JsonObject, operation: string): void {
  // As long as the canonical text, which has the same fields in another order. A UTF-16 unit takes at most three bytes, so most
  // values need no exact count.
  const text = JSON.stringify(value);
  if (text.length * 3 <= MAX_BYTES || new TextEncoder().encode(text).length <= MAX_BYTES) return;
  throw new InvalidDataError({
    message: `A value of ${entity.name} is longer than ${MAX_BYTES} bytes`,
    operation,
    entity: entity.name,
    key: keyLabel(keyOfValue(entity, value)),
  });
}
