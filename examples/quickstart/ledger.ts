import {
  type Entity,
  type JsonObject,
  keyText,
  type RecordHost,
  type RecordKey,
  recordDigest,
  TOMBSTONE_DIGEST,
} from '@polyphase/core';

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

  /** Compares a store with the ledger, key by key and digest by digest. */
  async compare(
    store: RecordHost,
    entities: readonly Entity[],
  ): Promise<{ missing: number; different: number }> {
    let missing = 0;
    let different = 0;
    for (const entity of entities) {
      const expected = new Map(this.#expected.get(entity.name));
      for await (const page of store.records(entity).scan()) {
        for (const { key, digest } of page) {
          const wanted = expected.get(keyText(key)) ?? TOMBSTONE_DIGEST;
          if (wanted !== digest) different += 1;
          expected.delete(keyText(key));
        }
      }
      for (const digest of expected.values()) if (digest !== TOMBSTONE_DIGEST) missing += 1;
    }
    return { missing, different };
  }
}
