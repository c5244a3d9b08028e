import type { PartitionKey } from '../partition/partition-key.ts';
import { keyText } from '../partition/partition-key.ts';
import type { ItemScope } from './item-scope.ts';
import type { LogicalPartition } from './logical-partition.ts';
import { OrderedLog } from './ordered-log.ts';
import type { StoredItem } from './stored-item.ts';

/** The items of a container by partition key and id, by id alone, by creation and by unique key. */
export class ItemIndex {
  readonly #logical = new Map<string, LogicalPartition>();
  readonly #byId = new Map<string, readonly StoredItem[]>();
  readonly #unique = new Map<string, StoredItem>();
  readonly #creations = new OrderedLog<StoredItem>((item) => item.sequence);

  /** The logical partition of a key, undefined before its first item. */
  partition(text: string): LogicalPartition | undefined {
    return this.#logical.get(text);
  }

  /** Remembers a logical partition. */
  addPartition(partition: LogicalPartition): void {
    this.#logical.set(partition.keyText, partition);
  }

  /** Every logical partition that ever held an item. */
  partitions(): Iterable<LogicalPartition> {
    return this.#logical.values();
  }

  /** The item that holds a unique value. */
  holder(claim: string): StoredItem | undefined {
    return this.#unique.get(claim);
  }

  /** Puts an item in, in the place of the one that it replaces. Cannot fail. */
  put(item: StoredItem): void {
    const old = item.partition.items.get(item.id);
    const keepsPlace = old !== undefined && old.sequence === item.sequence;
    if (old !== undefined && !keepsPlace) this.remove(old);
    if (old !== undefined && keepsPlace) {
      this.#end(old);
      this.#creations.replace(old, item);
    } else {
      this.#creations.append(item);
    }
    item.partition.items.set(item.id, item);
    for (const claim of item.uniqueClaims) this.#unique.set(claim, item);
    const same = this.#byId.get(item.id);
    this.#byId.set(item.id, same === undefined ? [item] : [...same.filter((other) => other.live), item]);
    item.partition.physical.feed.append(item);
  }

  /** Takes an item out. Cannot fail. */
  remove(item: StoredItem): void {
    this.#end(item);
    item.partition.items.delete(item.id);
    const same = (this.#byId.get(item.id) ?? []).filter((other) => other.live);
    if (same.length > 0) this.#byId.set(item.id, same);
    else this.#byId.delete(item.id);
    this.#creations.forget();
  }

  /** Items in the order of their creation, from a place on. */
  all(from: number): Iterable<StoredItem> {
    return this.#creations.from(from);
  }

  /** The fewest items, in the order of their creation, among which are those of a scope; `whole` is the text of its key. */
  candidates({ key, ids }: ItemScope, whole: string | undefined, from: number): Iterable<StoredItem> {
    if (whole !== undefined) {
      const items = this.#logical.get(whole)?.items;
      if (ids === undefined) return items?.values() ?? [];
      return ids.length === 1 ? present(items?.get(ids[0] ?? '')) : this.#withIds(ids);
    }
    if (ids !== undefined) return this.#withIds(ids);
    return key === undefined ? this.all(from) : this.#under(key);
  }

  #withIds(ids: readonly string[]): StoredItem[] {
    return bySequence([...new Set(ids)].flatMap((id) => this.#byId.get(id) ?? []));
  }

  #under(prefix: PartitionKey): StoredItem[] {
    const text = keyText(prefix);
    const partitions = [...this.#logical.values()].filter((partition) => partition.keyText.startsWith(text));
    return bySequence(partitions.flatMap((partition) => [...partition.items.values()]));
  }

  #end(item: StoredItem): void {
    item.live = false;
    item.partition.physical.feed.forget();
    // An expired item may have lost its claim to a newer one.
    for (const claim of item.uniqueClaims) if (this.#unique.get(claim) === item) this.#unique.delete(claim);
  }
}

function present<T>(item: T | undefined): T[] {
  return item === undefined ? [] : [item];
}

function bySequence(items: StoredItem[]): StoredItem[] {
  return items.toSorted((left, right) => left.sequence - right.sequence);
}
