import {
  bucketOf,
  checkKey,
  type Entity,
  InvalidDataError,
  type Issue,
  isJsonObject,
  type JsonObject,
  type JsonValue,
  keyLabel,
  type OperationMark,
  portabilityIssues,
  RESERVED_ID_PREFIX,
  type RecordKey,
  recordDigest,
  type StoredRecord,
  TTL_FIELD,
  UNSTAMPED,
  valueAt,
} from '@polyphase/core';
import { datesOf, decodeTtl, documentExpiry, encodeTtl, type ShadowedTtl } from './cosmos-expiry.ts';
import { discriminated, type EntityMapping, withDiscriminator } from './discriminator.ts';
import { levelOf, levelsAt, type Path, partitionPaths, withValueAt } from './partition-key.ts';

/** The field of a document that belongs to the SDK. */
export const STAMP_FIELD = '_h';

/** Fields that Cosmos DB puts into every document. */
export const SYSTEM_FIELDS: ReadonlySet<string> = new Set([
  '_rid',
  '_self',
  '_etag',
  '_ts',
  '_attachments',
  '_lsn',
  '_metadata',
]);

/** Tells whether a document is the SDK's own: a permit, a lease, a checkpoint, a marker. */
export function isReserved(document: JsonObject): boolean {
  const id = document['id'];
  return typeof id === 'string' && id.startsWith(RESERVED_ID_PREFIX);
}

/** The part of the stamp that makes a record's state; see {@link stampOf}. */
interface Stamp {
  readonly term: number;
  readonly counter: number;
  readonly digest: string;
  readonly operations: readonly OperationMark[];
  readonly tombstone: boolean;
  /** Names of a tombstone's own fields. */
  readonly fields: ReadonlySet<JsonValue> | undefined;
  /** Fields of the value whose names mean something else in this container. */
  readonly shadowed: JsonObject | undefined;
  /** What the document's `ttl` stands for, where it is not the value's. */
  readonly ttl: ShadowedTtl | undefined;
}

const whole = (value: JsonValue | undefined): value is number =>
  typeof value === 'number' && Number.isSafeInteger(value) && value >= 0;

function markOf(mark: JsonValue): OperationMark | undefined {
  if (!Array.isArray(mark)) return undefined;
  const [id, term, counter]: readonly (JsonValue | undefined)[] = mark;
  return typeof id === 'string' && whole(term) && whole(counter) ? { id, term, counter } : undefined;
}

/** The stamp in a field of a document: undefined where there is none, `malformed` where something else has its place. */
export function stampOf(field: JsonValue | undefined): Stamp | 'malformed' | undefined {
  if (field === undefined) return undefined;
  if (!isJsonObject(field)) return 'malformed';
  const { t: term, c: counter, d: digest, o: marks, v: shadowed, f: fields } = field;
  if (!whole(term) || !whole(counter) || typeof digest !== 'string' || !Array.isArray(marks))
    return 'malformed';
  const operations = marks.map(markOf);
  if (!operations.every((mark) => mark !== undefined)) return 'malformed';
  return {
    term,
    counter,
    digest,
    operations,
    tombstone: field['x'] === true,
    fields: Array.isArray(fields) ? new Set<JsonValue>(fields) : undefined,
    shadowed: isJsonObject(shadowed) ? shadowed : undefined,
    ttl: decodeTtl(field['l']),
  };
}

/** A document without what Cosmos DB, the SDK and the mapping put into it. */
export function valueOf({ discriminator }: EntityMapping, document: JsonObject): JsonObject {
  const stamp = stampOf(document[STAMP_FIELD]);
  const { shadowed = {}, ttl } = typeof stamp === 'object' ? stamp : {};
  const isOurs = ttl !== undefined && document[TTL_FIELD] === ttl.written;
  const fields = Object.entries(document).filter(
    ([name]) =>
      name !== STAMP_FIELD &&
      !SYSTEM_FIELDS.has(name) &&
      !discriminator.hidden.has(name) &&
      !(isOurs && name === TTL_FIELD),
  );
  if (isOurs && ttl.own !== undefined) fields.push([TTL_FIELD, ttl.own]);
  const own = Object.entries(shadowed).filter(([name]) => discriminator.hidden.has(name));
  // Entries and fromEntries make own fields of any name, "__proto__" too.
  return Object.fromEntries([...fields, ...own]);
}

/**
 * Whether a document stands for a deleted record. One that another program made of a tombstone does not: it has the tombstone's stamp,
 * and fields that the tombstone had not.
 */
function isTombstone(document: JsonObject): boolean {
  const stamp = stampOf(document[STAMP_FIELD]);
  if (typeof stamp !== 'object' || !stamp.tombstone) return false;
  const { fields } = stamp;
  // What begins like a system field may be one that the service has added since.
  return !fields || Object.keys(document).every((name) => fields.has(name) || name.startsWith('_'));
}

/** The key of a document, as the entity finds it. */
export function keyOfDocument(entity: Entity, document: JsonObject): RecordKey {
  const id = document['id'];
  return { partition: levelsAt(document, partitionPaths(entity)), id: typeof id === 'string' ? id : '' };
}

const MALFORMED: Issue = {
  path: [STAMP_FIELD],
  message: 'this field name is reserved, and holds something that this SDK did not write',
};

/**
 * The record that a document is.
 *
 * The digest is of the body as it stands, not the one in the stamp: somebody may have changed the body under it.
 *
 * @throws {@link InvalidDataError} when another program uses the reserved field
 */
export function toRecord(
  mapping: EntityMapping,
  document: JsonObject,
  key = keyOfDocument(mapping.entity, document),
): StoredRecord {
  const stamp = stampOf(document[STAMP_FIELD]);
  if (stamp === 'malformed')
    throw new InvalidDataError({
      message: 'A document cannot be read',
      entity: mapping.entity.name,
      key: keyLabel(key),
      issues: [MALFORMED],
    });
  const etag = document['_etag'];
  const value = isTombstone(document) ? undefined : valueOf(mapping, document);
  const digest = recordDigest(value);
  return {
    key,
    version: stamp ? { term: stamp.term, counter: stamp.counter } : UNSTAMPED,
    value,
    digest,
    ...(stamp && stamp.digest !== digest ? { foreign: true } : {}),
    operations: stamp?.operations ?? [],
    ...(typeof etag === 'string' ? { etag } : {}),
    ...(value === undefined ? {} : documentExpiry(mapping.entity, datesOf(document))),
  };
}

/** What keeps a document from becoming a record in every store; none for a tombstone, or for what may be stored. */
export function documentIssues(mapping: EntityMapping, document: JsonObject): readonly Issue[] {
  const { entity } = mapping;
  const stamp = stampOf(document[STAMP_FIELD]);
  const issues: Issue[] = stamp === 'malformed' ? [MALFORMED] : [];
  for (const path of partitionPaths(entity))
    if (!levelOf(valueAt(document, path)))
      issues.push({ path: [...path], message: 'must be text, a number, a boolean or null' });
  try {
    checkKey(keyOfDocument(entity, document), entity.name);
  } catch (error) {
    if (!InvalidDataError.isInstance(error)) throw error;
    issues.push(...error.issues);
  }
  if (isTombstone(document)) return issues;
  const value = valueOf(mapping, document);
  return [...issues, ...(entity.loose ? portabilityIssues(value) : entity.issues(value))];
}

/** How a record is written down. */
export interface DocumentLayout extends EntityMapping {
  /** Paths of the container's unique keys. */
  readonly uniquePaths: readonly Path[];
  /** The `ttl` that the document gets instead of the value's, which the stamp keeps. @default the value's */
  readonly ttl?: number | undefined;
}

/**
 * The document that stores a record: its value, with the stamp and the mapping's own fields. A tombstone keeps id, partition and
 * those only; it never expires, and has its own id at each unique path, since a missing value counts as null there and two
 * tombstones would clash.
 *
 * @throws {@link InvalidDataError} when the value would be a document of another entity
 */
export function toDocument(record: StoredRecord, layout: DocumentLayout): JsonObject {
  const { entity, discriminator, uniquePaths } = layout;
  const stamp = {
    t: record.version.term,
    c: record.version.counter,
    o: record.operations.map(({ id, term, counter }) => [id, term, counter]),
    d: record.digest,
    b: bucketOf(record.key),
  };
  const { key, value } = record;
  if (value !== undefined) {
    const { body, shadowed } = discriminated(layout, { key, value });
    const { ttl } = layout;
    return {
      ...body,
      ...(ttl === undefined ? {} : { [TTL_FIELD]: ttl }),
      [STAMP_FIELD]: {
        ...stamp,
        ...(shadowed ? { v: shadowed } : {}),
        ...(ttl === undefined ? {} : { l: encodeTtl({ written: ttl, own: body[TTL_FIELD] }) }),
      },
    };
  }
  const { id, partition } = key;
  let tombstone: JsonObject = { id };
  partitionPaths(entity).forEach((path, i) => {
    const level = partition[i];
    if (level !== undefined) tombstone = withValueAt(tombstone, path, level);
  });
  tombstone = withDiscriminator(discriminator, tombstone);
  for (const path of uniquePaths) tombstone = withValueAt(tombstone, path, id);
  tombstone = { ...tombstone, [TTL_FIELD]: -1 };
  return { ...tombstone, [STAMP_FIELD]: { ...stamp, x: true, f: Object.keys(tombstone) } };
}
