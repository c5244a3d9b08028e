import {
  type ChangeFeed,
  type DocumentStore,
  type Entity,
  type FeedPage,
  type FeedRange,
  keyOfValue,
  type RecordStore,
  recordDigest,
  type StoredRecord,
} from '@polyphase/core';
import { memoryDocumentStore } from '@polyphase/core/memory';
import { accountOf } from '../account.ts';

/** A container that nobody has to hold: its documents are made as its change feed is read, the same ones each time. */
export interface GeneratedStoreOptions {
  readonly entity: Entity;
  /** Documents in all. */
  readonly documents: number;
  /** Ranges that they are spread over evenly. */
  readonly ranges: number;
}

/** Makes a store of documents whose change feed is generated. */
export function generatedStore(options: GeneratedStoreOptions): DocumentStore {
  const memory = memoryDocumentStore();
  const feed = new GeneratedFeed(options);
  const records = memory.records(options.entity);
  const counted: RecordStore = {
    read: (key, call) => records.read(key, call),
    readMany: (keys, call) => records.readMany(keys, call),
    getMany: (keys, call) => records.getMany(keys, call),
    query: (plan, call) => records.query(plan, call),
    write: (intent, call) => records.write(intent, call),
    apply: (copies, call) => records.apply(copies, call),
    scan: (call) => records.scan(call),
    count: async () => options.documents,
  };
  const { kind, checkpoints, leases, permits, runUnit } = memory;
  return {
    kind,
    checkpoints,
    leases,
    permits,
    runUnit,
    prepare: (entities, call) => memory.prepare(entities, call),
    verify: (entity, call) => memory.verify(entity, call),
    records: () => counted,
    changes: () => feed,
  };
}

class GeneratedFeed implements ChangeFeed {
  readonly #options: GeneratedStoreOptions;

  constructor(options: GeneratedStoreOptions) {
    this.#options = options;
  }

  async ranges(): Promise<readonly FeedRange[]> {
    return Array.from({ length: this.#options.ranges }, (_, i) => ({ id: `${i}` }));
  }

  async read(
    range: FeedRange,
    position = '0',
    { limit = 500 }: { readonly limit?: number | undefined } = {},
  ): Promise<FeedPage> {
    const from = Number(position);
    const to = Math.min(from + limit, this.#sizeOf(range));
    const changes = Array.from({ length: to - from }, (_, i) => ({
      kind: 'record' as const,
      record: this.#record((from + i) * this.#options.ranges + Number(range.id)),
    }));
    // A page comes from elsewhere: others take their turn meanwhile.
    await new Promise((resolve) => setImmediate(resolve));
    return { changes, position: `${to}`, idle: changes.length === 0, serverNowMs: Date.now() };
  }

  positionOf(range: FeedRange, known: ReadonlyMap<string, string>): string | undefined {
    return known.get(range.id);
  }

  async mark(range: FeedRange): Promise<string> {
    return `${this.#sizeOf(range)}`;
  }

  passed(position: string | undefined, marker: string): boolean {
    return Number(position ?? 0) >= Number(marker);
  }

  behind(position: string | undefined, marker: string): number {
    return Math.max(0, Number(marker) - Number(position ?? 0));
  }

  #sizeOf({ id }: FeedRange): number {
    const { documents, ranges } = this.#options;
    return Math.floor((documents - Number(id) + ranges - 1) / ranges);
  }

  #record(n: number): StoredRecord {
    const account = { ...accountOf(n), id: `account-${n}` };
    const value = { ...account, profile: { ...account.profile, tags: [...account.profile.tags] } };
    return {
      key: keyOfValue(this.#options.entity, value),
      value,
      version: { term: 1, counter: 1_700_000_000_000 * 1_024 + n },
      digest: recordDigest(value),
      operations: [{ id: `operation-${n}`, term: 1, counter: 1_700_000_000_000 * 1_024 + n }],
      etag: `"${n}"`,
    };
  }
}
