import { compareText } from './order.ts';

/** Who has which range, as one worker sees it. */
export interface RangeView {
  /** The worker that asks. */
  readonly me: string;
  /** The ranges as they are now. */
  readonly ranges: readonly string[];
  /** Who has a range, for those that somebody has. */
  readonly holders: ReadonlyMap<string, string>;
  /** The workers that are alive. Holders of ranges, and the one that asks, count as alive anyway. */
  readonly workers: readonly string[];
}

/** What a worker does about it. */
export interface RangeMoves {
  /** Free ranges that it takes. */
  readonly take: readonly string[];
  /** Ranges of its own that it gives up, so that others get their share. */
  readonly give: readonly string[];
}

/**
 * What one worker takes or gives up, so that each gets its share of the ranges: the same number, or one more. Workers decide for
 * themselves. Those that see the same agree: no two take one range, none gives up more than others lack, and nothing moves once it is
 * shared out. Those that see something else, for a while, get there as soon as they do not.
 */
export function shareRanges({ me, ranges, holders, workers }: RangeView): RangeMoves {
  const inOrder = ranges.toSorted(compareText);
  const held = new Map<string, string[]>([...workers, me].map((worker) => [worker, []]));
  for (const range of inOrder) {
    const holder = holders.get(range);
    if (holder === undefined) continue;
    held.set(holder, [...(held.get(holder) ?? []), range]);
  }
  // Whoever has most keeps most, so that as little as possible moves.
  const places = [...held].toSorted(([a, as], [b, bs]) => bs.length - as.length || compareText(a, b));
  const share = Math.floor(ranges.length / places.length);
  const withOneMore = ranges.length % places.length;
  const lacking = places.map(([, has], i) => share + (i < withOneMore ? 1 : 0) - has.length);
  const place = places.findIndex(([worker]) => worker === me);
  const mine = held.get(me) ?? [];
  const lack = lacking[place] ?? 0;
  if (lack <= 0) return { take: [], give: mine.slice(mine.length + lack) };
  const free = inOrder.filter((range) => !holders.has(range));
  const before = lacking.slice(0, place).reduce((sum, it) => sum + Math.max(0, it), 0);
  return { take: free.slice(before, before + lack), give: [] };
}
