import { badRequest } from '../service-error.ts';
import type { Container, ItemScope } from '../storage/container.ts';
import type { PhysicalPartition } from '../storage/physical-partition.ts';
import type { StoredItem } from '../storage/stored-item.ts';

/** From where to read. */
export interface FeedStart {
  /** `If-None-Match`: `*` for now, or the number of the last write that was seen. */
  readonly position: string | undefined;
  /** `If-Modified-Since`; the position wins over it. */
  readonly since: string | undefined;
}

/** One page of changes; empty when nothing is new. */
export interface FeedPage {
  readonly items: readonly StoredItem[];
  /** The position to go on from, as an ETag. */
  readonly etag: string;
}

/**
 * Reads the next changes of one physical partition in the order of writes. Each item shows in its latest version only,
 * and not at all once it is gone. Writes of one batch share a number and a page: it may be longer than asked for.
 */
export function readFeed(
  container: Container,
  physical: PhysicalPartition,
  request: { scope: ItemScope; start: FeedStart; maximum: number },
): FeedPage {
  const { scope, start, maximum } = request;
  const after = startOf(start, physical);
  const since = start.position === undefined ? sinceOf(start.since) : Number.NEGATIVE_INFINITY;
  const items: StoredItem[] = [];
  for (const item of container.changes(physical, after, scope)) {
    const last = items.at(-1);
    if (last !== undefined && items.length >= maximum && item.lsn !== last.lsn)
      return { items, etag: `"${last.lsn}"` };
    if (item.document._ts >= since) items.push(item);
  }
  return { items, etag: `"${Math.max(after, physical.lsn)}"` };
}

function startOf({ position }: FeedStart, physical: PhysicalPartition): number {
  if (position === undefined) return 0;
  if (position === '*') return physical.lsn;
  const number = Number(position.replaceAll('"', ''));
  if (!Number.isSafeInteger(number) || number < 0)
    throw badRequest('The If-None-Match header is not a feed position.');
  return number;
}

function sinceOf(since: string | undefined): number {
  if (since === undefined) return Number.NEGATIVE_INFINITY;
  const time = Date.parse(since);
  if (Number.isNaN(time)) throw badRequest('The If-Modified-Since header is not a date.');
  return Math.floor(time / 1000);
}
