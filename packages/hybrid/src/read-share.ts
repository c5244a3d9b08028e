import { BUCKETS, bucketOf, type PartitionLevel, partitionText, type ResolvedReads } from '@polyphase/core';

/**
 * Which reads PostgreSQL may answer in phases 3 and 4: those of the partitions that config names, and of a share of all others. Whether a
 * partition belongs to the share follows from its hash alone, so every process and every release says the same, and a caller that stays
 * in its partition sees one store; a larger share has every partition of a smaller one.
 */
export class ReadShare {
  readonly #percent: number;
  readonly #named: ReadonlySet<string>;

  constructor({ percent, partitions }: ResolvedReads) {
    this.#percent = percent;
    this.#named = new Set(partitions);
  }

  /**
   * Whether a read is covered as a whole. One of several partitions is where all of them are; one across partitions (undefined) only where
   * every partition is: the authority is right about all of them.
   */
  covers(partitions: readonly (readonly PartitionLevel[])[] | undefined): boolean {
    if (this.#percent >= 100) return true;
    return partitions?.every((partition) => this.#has(partition)) === true;
  }

  #has(partition: readonly PartitionLevel[]): boolean {
    return (
      this.#named.has(partitionText(partition)) ||
      bucketOf({ partition, id: '' }) * 100 < this.#percent * BUCKETS
    );
  }
}
