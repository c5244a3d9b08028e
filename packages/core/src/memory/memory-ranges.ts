import type { FeedRange } from '../change-feed.ts';
import { hash128 } from '../digest.ts';
import { InvalidOptionsError } from '../errors.ts';
import { type PartitionLevel, partitionText } from '../key.ts';
import { compareText } from '../order.ts';

/** Whether one range is another one, or what came of it in splits: halves have the name of the whole, and a bit. */
export function isWithin(range: string, whole: string): boolean {
  return range === whole || range.startsWith(`${whole}.`);
}

/** The ranges that the partitions of a feed are spread over, in a store in memory. */
export class MemoryRanges {
  readonly #roots: number;
  #ids: readonly string[];

  constructor(options: { readonly ranges: number }) {
    this.#roots = options.ranges;
    this.#ids = Array.from({ length: options.ranges }, (_, i) => `range-${i}`);
  }

  /** The ranges as they are now. */
  list(): readonly FeedRange[] {
    return this.#ids.map((id) => Object.freeze({ id }));
  }

  /** Names of the ranges that one is made of now: itself, or what came of it in splits. */
  partsOf(range: string): readonly string[] {
    return this.#ids.filter((id) => isWithin(id, range));
  }

  /** Puts two ranges in the place of one: the first, where none is named. */
  split(range = this.#ids[0]): void {
    if (range === undefined || !this.#ids.includes(range))
      throw new InvalidOptionsError({ message: `There is no range "${range}" now` });
    const others = this.#ids.filter((id) => id !== range);
    this.#ids = [...others, `${range}.0`, `${range}.1`].toSorted(compareText);
  }

  /** Whether a partition lies in a range. */
  holds(range: string, partition: readonly PartitionLevel[]): boolean {
    const [root, bits] = hash128(partitionText(partition));
    const [whole, ...halves] = range.split('.');
    return (
      whole === `range-${root % this.#roots}` &&
      halves.every((bit, i) => bit === `${(bits >>> (i % 32)) & 1}`)
    );
  }
}
