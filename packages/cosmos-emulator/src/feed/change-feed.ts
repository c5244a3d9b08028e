import { badRequest } from '../service-error.ts';
import type { Change } from '../storage/change-history.ts';
import type { Container } from '../storage/container.ts';
import { type ItemScope, scopeFilter } from '../storage/item-scope.ts';
import type { PhysicalPartition } from '../storage/physical-partition.ts';
import type { StoredItem } from '../storage/stored-item.ts';

/** From where to read. */
export interface FeedStart {
  /** `If-None-Match`: `*` for now, or the number of the last write that was seen. */
  readonly position: string | undefined;
  /** `If-Modified-Since`; the position wins over it. */
  readonly since: string | undefined;
}

/** What to read of one physical partition. */
export interface FeedRequest {
  readonly container: Container;
  readonly physical: PhysicalPartition;
  readonly scope: ItemScope;
  readonly start: FeedStart;
  readonly maximum: number;
}

/** One page of changes; empty when nothing is new. */
export interface FeedPage<T> {
  readonly changes: readonly T[];
  /** The position to go on from, as an ETag. */
  readonly etag: string;
}

/**
 * Reads the next changes in the order of writes. Each item shows in its latest version only, and not at all once it is
 * gone. Writes of one batch share a number and a page: it may be longer than asked for.
 */
export function readLatestVersions(request: FeedRequest): FeedPage<StoredItem> {
  const { container, physical, scope, start } = request;
  const after = startOf(start, physical);
  const since = start.position === undefined ? sinceOf(start.since) : Number.NEGATIVE_INFINITY;
  return pageOf(request, after, written(container.changes(physical, after, scope), since));
}

/**
 * Reads every change in the order of writes: creates, replaces, deletes, and what its time to live has ended. Throws 400
 * where the container keeps none, for a start other than now and a position, and for what is kept no longer.
 */
export function readAllVersions(request: FeedRequest): FeedPage<Change> {
  const { container, physical, scope, start } = request;
  const history = container.historyOf(physical);
  if (history === undefined) {
    throw badRequest(
      'Full fidelity change feed is not enabled for this container: its change feed policy has no retention duration.',
    );
  }
  if (start.position === undefined) {
    const from = start.since === undefined ? 'the beginning' : 'a point in time';
    throw badRequest(
      `Reading the change feed from ${from} is not supported in full fidelity mode: start from now or from a continuation.`,
    );
  }
  const after = startOf(start, physical);
  if (after < history.since) {
    throw badRequest(
      'The continuation is older than the retention window of the change feed policy: changes after it are gone.',
    );
  }
  const inScope = scopeFilter({ ...scope, physical });
  return pageOf(request, after, inside(history.after(after), inScope));
}

function* written(items: Iterable<StoredItem>, since: number): Generator<StoredItem> {
  for (const item of items) if (item.document._ts >= since) yield item;
}

function* inside(
  changes: Iterable<Change>,
  inScope: (partition: Change['partition']) => boolean,
): Generator<Change> {
  for (const change of changes) if (inScope(change.partition)) yield change;
}

function pageOf<T extends { readonly lsn: number }>(
  { physical, maximum }: FeedRequest,
  after: number,
  changes: Iterable<T>,
): FeedPage<T> {
  const page: T[] = [];
  for (const change of changes) {
    const last = page.at(-1);
    if (last !== undefined && page.length >= maximum && change.lsn !== last.lsn)
      return { changes: page, etag: `"${last.lsn}"` };
    page.push(change);
  }
  return { changes: page, etag: `"${Math.max(after, physical.lsn)}"` };
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
