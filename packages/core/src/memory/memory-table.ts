import type { Entity, EntityIndex } from '../entity.ts';
import { AlreadyExistsError } from '../errors.ts';
import { isExpired, seenAt } from '../expiry.ts';
import { canonicalJson, type JsonObject, valueAt } from '../json.ts';
import { keyLabel, keyText, partitionText, type RecordKey } from '../key.ts';
import type { StoredRecord } from '../record.ts';
import type { MemorySequence } from './memory-sequence.ts';

/** A record as a table holds it. */
export interface TableEntry {
  readonly record: StoredRecord;
  /** Number of the change that put it there. */
  readonly sequence: number;
  /** Date of that change, in milliseconds. */
  readonly changedMs: number;
}

/** A record that shares nothing with the one given, so that nobody can change what is stored. */
export function copyRecord(record: StoredRecord): StoredRecord {
  // JSON.parse makes own fields of every name, "__proto__" included.
  const value = record.value && (JSON.parse(JSON.stringify(record.value)) as JsonObject);
  return {
    ...record,
    key: { partition: [...record.key.partition], id: record.key.id },
    version: { ...record.version },
    value,
    operations: record.operations.map(({ id, term, counter }) => ({ id, term, counter })),
    base: record.base && { ...record.base },
  };
}

/** The records of one entity. Every method is atomic, since it waits for nothing; what goes in and out is copied. */
export class MemoryTable {
  readonly entity: Entity;
  readonly #kind: 'documents' | 'rows';
  readonly #sequence: MemorySequence;
  readonly #now: () => number;
  readonly #entries = new Map<string, TableEntry>();

  constructor(options: {
    readonly entity: Entity;
    /** Documents have ETags and no base; rows have a base and no ETag. */
    readonly kind: 'documents' | 'rows';
    readonly sequence: MemorySequence;
    readonly now: () => number;
  }) {
    this.entity = options.entity;
    this.#kind = options.kind;
    this.#sequence = options.sequence;
    this.#now = options.now;
  }

  /** The record under a key, tombstones included. */
  get(key: RecordKey): StoredRecord | undefined {
    const record = this.#entries.get(keyText(key))?.record;
    const seen = record && this.#seen(record);
    return seen && copyRecord(seen);
  }

  /** The store's date in milliseconds. */
  now(): number {
    return this.#now();
  }

  /** Number of the change that made the record under a key what it is; 0 where there is none. */
  sequenceOf(key: RecordKey): number {
    return this.#entries.get(keyText(key))?.sequence ?? 0;
  }

  /** Stores a record whatever was there, and answers with it as stored. */
  put(record: StoredRecord): StoredRecord {
    const sequence = this.#sequence.next();
    const stored =
      this.#kind === 'documents'
        ? { ...copyRecord(record), base: undefined, etag: `"${sequence.toString(16).padStart(8, '0')}"` }
        : { ...copyRecord(record), etag: undefined };
    this.#entries.set(keyText(record.key), { record: stored, sequence, changedMs: this.#now() });
    return copyRecord(stored);
  }

  /** Removes a record without a trace, as whoever goes around the SDK does. */
  remove(key: RecordKey): void {
    this.#entries.delete(keyText(key));
  }

  /** Every entry, tombstones and expired rows included, in no particular order. For reading only: records are not copied. */
  *entries(): Generator<TableEntry, void, undefined> {
    for (const entry of this.#entries.values()) {
      const record = this.#seen(entry.record);
      if (record) yield record === entry.record ? entry : { ...entry, record };
    }
  }

  /**
   * Refuses a live record whose unique values another live record of its partition has; or any other, where the index is global
   * and these are rows. A missing value counts as null, as in Cosmos DB.
   *
   * @param among - the records that there will be
   * @throws {@link AlreadyExistsError}
   */
  checkUnique(
    record: StoredRecord,
    operation: string,
    among: Iterable<StoredRecord> = this.#records(),
  ): void {
    const indexes = this.#uniqueIndexes();
    if (record.value === undefined || indexes.length === 0) return;
    const partition = partitionText(record.key.partition);
    for (const other of among) {
      const isNear = partitionText(other.key.partition) === partition;
      if (other.value === undefined || (isNear && other.key.id === record.key.id)) continue;
      for (const { fields, unique } of indexes) {
        if (unique === 'partition' && !isNear) continue;
        if (uniqueText(record, fields) !== uniqueText(other, fields)) continue;
        throw new AlreadyExistsError({
          message: `Another record${unique === 'partition' ? ' of the partition' : ''} has the same [${fields.join(', ')}]`,
          operation,
          entity: this.entity.name,
          key: keyLabel(record.key),
        });
      }
    }
  }

  /** Number of records that share what an index has as unique: copies may, since swapped values arrive out of order. */
  clashes(): number {
    const seen = new Set<string>();
    let clashing = 0;
    for (const index of this.#uniqueIndexes())
      for (const record of this.#records()) {
        if (record.value === undefined) continue;
        const scope = index.unique === 'partition' ? partitionText(record.key.partition) : '';
        const text = JSON.stringify([index.fields, scope, uniqueText(record, index.fields)]);
        if (seen.has(text)) clashing += 1;
        seen.add(text);
      }
    return clashing;
  }

  // An expired document is gone by itself; an expired row stays, without a value.
  #seen(record: StoredRecord): StoredRecord | undefined {
    if (this.#kind === 'rows') return seenAt(record, this.#now());
    return isExpired(record, this.#now()) ? undefined : record;
  }

  #uniqueIndexes(): readonly EntityIndex[] {
    return this.entity.indexes.filter(
      ({ unique }) => unique === 'partition' || (unique === 'global' && this.#kind === 'rows'),
    );
  }

  *#records(): Generator<StoredRecord, void, undefined> {
    for (const { record } of this.entries()) yield record;
  }
}

function uniqueText(record: StoredRecord, fields: readonly string[]): string {
  return canonicalJson(fields.map((field) => valueAt(record.value, [field]) ?? null));
}
