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
  UNSTAMPED,
  valueAt,
} from '@polyphase/core';
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
  const { t: term, c: counter, d: digest, o: marks } = field;
  if (!whole(term) || !whole(counter) || typeof digest !== 'string' || !Array.isArray(marks))
    return 'malformed';
  const operations = marks.map(markOf);
  if (!operations.every((mark) => mark !== undefined)) return 'malformed';
  return { term, counter, digest, operations, tombstone: field['x'] === true };
}

/** A document without what Cosmos DB and the SDK put into it. */
export function valueOf(document: JsonObject): JsonObject {
  // Entries and fromEntries make own fields of any name, "__proto__" too.
  return Object.fromEntries(
    Object.entries(document).filter(([name]) => name !== STAMP_FIELD && !SYSTEM_FIELDS.has(name)),
  );
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
  entity: Entity,
  document: JsonObject,
  key = keyOfDocument(entity, document),
): StoredRecord {
  const stamp = stampOf(document[STAMP_FIELD]);
  if (stamp === 'malformed')
    throw new InvalidDataError({
      message: 'A document cannot be read',
      entity: entity.name,
      key: keyLabel(key),
      issues: [MALFORMED],
    });
  const etag = document['_etag'];
  const value = stamp?.tombstone === true ? undefined : valueOf(document);
  return {
    key,
    version: stamp ? { term: stamp.term, counter: stamp.counter } : UNSTAMPED,
    value,
    digest: recordDigest(value),
    operations: stamp?.operations ?? [],
    ...(typeof etag === 'string' ? { etag } : {}),
  };
}

/** What keeps a document from becoming a record in every store; none for a tombstone, or for what may be stored. */
export function documentIssues(entity: Entity, document: JsonObject): readonly Issue[] {
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
  if (typeof stamp === 'object' && stamp.tombstone) return issues;
  const value = valueOf(document);
  return [...issues, ...(entity.loose ? portabilityIssues(value) : entity.issues(value))];
}

/** How a record is written down. */
export interface DocumentLayout {
  readonly entity: Entity;
  /** Paths of the container's unique keys. */
  readonly uniquePaths: readonly Path[];
}

/**
 * The document that stores a record: its value, with the stamp. A tombstone keeps id and partition only; it never expires, and has
 * its own id at each unique path, since a missing value counts as null there and two tombstones would clash.
 */
export function toDocument(record: StoredRecord, { entity, uniquePaths }: DocumentLayout): JsonObject {
  const stamp = {
    t: record.version.term,
    c: record.version.counter,
    o: record.operations.map(({ id, term, counter }) => [id, term, counter]),
    d: record.digest,
    b: bucketOf(record.key),
  };
  if (record.value !== undefined) return { ...record.value, [STAMP_FIELD]: stamp };
  const { id, partition } = record.key;
  let tombstone: JsonObject = { id };
  partitionPaths(entity).forEach((path, i) => {
    const level = partition[i];
    if (level !== undefined) tombstone = withValueAt(tombstone, path, level);
  });
  for (const path of uniquePaths) tombstone = withValueAt(tombstone, path, id);
  return { ...tombstone, ttl: -1, [STAMP_FIELD]: { ...stamp, x: true } };
}
