import { effectivePartitionKey } from '../partition/effective-key.ts';
import type { PartitionKey, PartitionKeyDefinition } from '../partition/partition-key.ts';
import { inRange } from '../partition/partition-ranges.ts';
import { ChangeHistory } from './change-history.ts';
import type { PartitionLayout } from './journal.ts';
import type { LogicalPartition } from './logical-partition.ts';
import { PhysicalPartition } from './physical-partition.ts';

/** The physical partitions of a container, and which of them holds a key. */
export class PartitionMap {
  readonly #definition: PartitionKeyDefinition;
  #partitions: readonly PhysicalPartition[] = [];
  #keepsHistory = false;

  constructor(definition: PartitionKeyDefinition) {
    this.#definition = definition;
  }

  /** In the order of their ranges. */
  get all(): readonly PhysicalPartition[] {
    return this.#partitions;
  }

  /** The partition with an id, undefined when it was split or never was. */
  find(id: string): PhysicalPartition | undefined {
    return this.#partitions.find((partition) => partition.id === id);
  }

  /** The place of a key in the space of effective partition keys, computed when it is first asked for. */
  effectiveKeyOf(key: PartitionKey): () => string {
    let effective: string | undefined;
    return () => (effective ??= effectivePartitionKey(key, this.#definition));
  }

  /** The partition that holds an effective key, which is not computed where there is no choice. */
  holding(effectiveKey: () => string): PhysicalPartition {
    const [first, second] = this.#partitions;
    const found =
      second === undefined
        ? first
        : this.#partitions.find((partition) => inRange(partition.range, effectiveKey()));
    if (found === undefined) throw new RangeError('The ranges of the physical partitions leave a gap.');
    return found;
  }

  /** Begins, or ends, to keep every change. */
  keepHistory(keeps: boolean): void {
    this.#keepsHistory = keeps;
    for (const partition of this.#partitions) {
      if (!keeps) partition.history = undefined;
      else partition.history ??= new ChangeHistory({ since: partition.lsn });
    }
  }

  /** Takes a new layout: what was in a partition that is gone moves to those in its place. */
  lay(layout: readonly PartitionLayout[], contents: () => Iterable<LogicalPartition>): void {
    const old = this.#partitions;
    this.#partitions = layout.map((entry) => this.find(entry.id) ?? this.#make(entry));
    const gone = old.filter((partition) => !this.#partitions.includes(partition));
    if (gone.length === 0) return;
    for (const logical of contents()) logical.physical = this.holding(logical.effectiveKey);
    for (const { feed, history } of gone) {
      for (const item of feed.from(0)) item.partition.physical.feed.append(item);
      for (const change of history?.after(0) ?? []) change.partition.physical.history?.add(change);
    }
  }

  #make(layout: PartitionLayout): PhysicalPartition {
    const partition = new PhysicalPartition(layout);
    const parent = this.find(layout.parents.at(-1) ?? '');
    if (this.#keepsHistory)
      partition.history = new ChangeHistory({ since: parent?.history?.since ?? layout.lsn });
    return partition;
  }
}
