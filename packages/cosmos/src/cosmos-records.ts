import {
  type CallOptions,
  type CopyOptions,
  type CopyOutcome,
  type LiveRecord,
  liveRecord,
  liveRecords,
  type QueryPlan,
  type RecordCopy,
  type RecordKey,
  type RecordStore,
  type RecordSummary,
  type ScanOptions,
  type StoredRecord,
  type WriteIntent,
  type WriteOptions,
  type WriteResult,
} from '@polyphase/core';
import { applyCopies } from './cosmos-apply.ts';
import { countRecords, queryRecords } from './cosmos-query.ts';
import { scanRecords } from './cosmos-scan.ts';
import { findRecord, type RecordPlace, writeRecord } from './cosmos-write.ts';
import { mapConcurrently } from './map-concurrently.ts';

/** Point reads in flight while many are read. */
const READ_CONCURRENCY = 32;

/** The records of one entity in its container. */
export class CosmosRecords implements RecordStore {
  readonly #place: RecordPlace;

  constructor(place: RecordPlace) {
    this.#place = place;
  }

  async read(key: RecordKey, options: CallOptions = {}): Promise<StoredRecord | undefined> {
    return (await findRecord(this.#place, key, { operation: 'read', signal: options.signal })).record;
  }

  async readMany(
    keys: readonly RecordKey[],
    options: CallOptions = {},
  ): Promise<readonly (StoredRecord | undefined)[]> {
    const place = this.#metered(options);
    return mapConcurrently(
      keys,
      READ_CONCURRENCY,
      async (key) => (await findRecord(place, key, { operation: 'read', signal: options.signal })).record,
    );
  }

  async getMany(
    keys: readonly RecordKey[],
    options: CallOptions = {},
  ): Promise<readonly (LiveRecord | undefined)[]> {
    return (await this.readMany(keys, options)).map(liveRecord);
  }

  async query(plan: QueryPlan, options: CallOptions = {}): Promise<readonly LiveRecord[]> {
    return liveRecords(await queryRecords(this.#place, plan, options));
  }

  async write(intent: WriteIntent, options: WriteOptions): Promise<WriteResult> {
    return writeRecord(this.#place, intent, options);
  }

  async apply(copies: readonly RecordCopy[], options: CopyOptions = {}): Promise<readonly CopyOutcome[]> {
    return applyCopies(this.#metered(options), copies, options);
  }

  scan(options: ScanOptions = {}): AsyncIterable<readonly RecordSummary[]> {
    return scanRecords(this.#metered(options), options);
  }

  async count(options: CallOptions = {}): Promise<number> {
    return countRecords(this.#metered(options), options);
  }

  #metered({ meter }: CallOptions): RecordPlace {
    return { ...this.#place, items: this.#place.items.metered(meter) };
  }
}
