import {
  type Entity,
  isJsonObject,
  type JsonObject,
  keyOfValue,
  keyText,
  type RecordHost,
  type RecordKey,
  recordDigest,
  StoreRepository,
  TOMBSTONE_DIGEST,
} from '@polyphase/core';

/** What a comparison of a store with the ledger found. */
export interface Comparison {
  readonly missing: number;
  readonly different: number;
}

/** What every acknowledged write left behind, noted outside of any store: the digest that must be found in the end. */
export class Ledger {
  readonly #expected = new Map<string, Map<string, string>>();

  /** Notes a write that was acknowledged; undefined for a delete. */
  acknowledge(entity: string, key: RecordKey, value: JsonObject | undefined): void {
    const records = this.#expected.get(entity) ?? new Map<string, string>();
    this.#expected.set(entity, records.set(keyText(key), recordDigest(value)));
  }

  /** Number of records that were written at least once. */
  get size(): number {
    return [...this.#expected.values()].reduce((sum, records) => sum + records.size, 0);
  }

  /** Reads every record of a store and compares it with the ledger, key by key, by the digest of the body as it was read. */
  async compare(store: RecordHost, entities: readonly Entity<object>[]): Promise<Comparison> {
    let missing = 0;
    let different = 0;
    for (const entity of entities) {
      const expected = new Map(this.#expected.get(entity.name));
      for await (const { value } of new StoreRepository({ entity, store: store.records(entity) }).iterate({
        limit: 1_000,
      })) {
        if (!isJsonObject(value)) continue;
        const key = keyText(keyOfValue(entity, value));
        if (expected.get(key) !== recordDigest(value)) different += 1;
        expected.delete(key);
      }
      for (const digest of expected.values()) if (digest !== TOMBSTONE_DIGEST) missing += 1;
    }
    return { missing, different };
  }
}
