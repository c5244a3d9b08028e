import { conflict } from '../service-error.ts';
import type { Document, StoredItem } from './stored-item.ts';

/** What a transaction needs of the container that it writes to. */
export interface TransactionTarget {
  /** The item as committed, undefined when it is absent or expired. */
  readonly find: (id: string) => StoredItem | undefined;
  /** Every committed item of the partition, expired ones left out. */
  readonly items: () => Iterable<StoredItem>;
  /** The committed holder of a unique value, expired ones left out. */
  readonly holder: (claim: string) => StoredItem | undefined;
  readonly prepare: (document: Document, old: StoredItem | undefined) => StoredItem;
  readonly commit: (writes: ReadonlyMap<string, StoredItem | undefined>) => void;
}

/** Writes to one logical partition: they see each other, and nobody sees them before `commit`. Dropping it undoes all. */
export class Transaction {
  readonly #target: TransactionTarget;
  readonly #writes = new Map<string, StoredItem | undefined>();
  readonly #claims = new Map<string, string>();

  constructor(target: TransactionTarget) {
    this.#target = target;
  }

  /** The item as this transaction sees it. */
  find(id: string): StoredItem | undefined {
    return this.#writes.has(id) ? this.#writes.get(id) : this.#target.find(id);
  }

  /** Every item of the partition as this transaction sees it, in the order of creation. */
  items(): StoredItem[] {
    const items = new Map<string, StoredItem | undefined>();
    for (const item of this.#target.items()) items.set(item.id, item);
    for (const [id, item] of this.#writes) items.set(id, item);
    const found = [...items.values()].filter((item) => item !== undefined);
    return found.toSorted((left, right) => left.sequence - right.sequence);
  }

  /** Writes a version of an item. Throws 409 where a unique key is taken, 400 where the document is wrong. */
  put(document: Document, old: StoredItem | undefined): StoredItem {
    const item = this.#target.prepare(document, old);
    for (const claim of item.uniqueClaims) this.#checkClaim(claim, item.id);
    this.#release(old);
    for (const claim of item.uniqueClaims) this.#claims.set(claim, item.id);
    this.#writes.set(item.id, item);
    return item;
  }

  /** Deletes an item. */
  delete(item: StoredItem): void {
    this.#release(item);
    this.#writes.set(item.id, undefined);
  }

  /** Makes every write true at once. */
  commit(): void {
    if (this.#writes.size > 0) this.#target.commit(this.#writes);
  }

  #checkClaim(claim: string, id: string): void {
    const staged = this.#claims.get(claim);
    const holder = this.#target.holder(claim);
    const committed = holder === undefined || this.#writes.has(holder.id) ? undefined : holder.id;
    if ((staged ?? id) !== id || (committed ?? id) !== id)
      throw conflict('Unique index constraint violation.');
  }

  #release(item: StoredItem | undefined): void {
    for (const claim of item?.uniqueClaims ?? []) this.#claims.delete(claim);
  }
}
