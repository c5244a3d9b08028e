import type { JsonObject } from '../json.ts';
import { badRequest } from '../service-error.ts';
import { nextPartitionId, type PhysicalPartition } from '../storage/physical-partition.ts';
import { containerOf } from './request-scope.ts';
import type { Reply, RouteContext, RouteTable } from './route-context.ts';

/** The ranges of a container's physical partitions, whole, or as a feed of those that are new since an ETag. */
export const partitionKeyRangeRoutes: RouteTable = {
  'partitionKeyRanges.list': (context) => ranges(context, 0),
  'partitionKeyRanges.changeFeed': (context) => ranges(context, positionOf(context)),
};

function ranges(context: RouteContext, from: number): Reply {
  const { rid, physicalPartitions } = containerOf(context);
  const etag = `"${nextPartitionId(physicalPartitions)}"`;
  // Ids rise, so those of partitions that a client has not seen are at least the one that was next for it.
  const found = physicalPartitions.filter(({ id }) => Number(id) >= from);
  if (found.length === 0) return { status: 304, headers: { etag } };
  const now = Math.floor(context.clock.now() / 1000);
  const share = 1 / physicalPartitions.length;
  const body = found.map((partition) => resourceOf(partition, { owner: rid, share, now }));
  return {
    body: { _rid: rid, PartitionKeyRanges: body, _count: body.length },
    headers: { etag, 'x-ms-item-count': String(body.length) },
  };
}

function resourceOf(
  partition: PhysicalPartition,
  { owner, share, now }: { owner: string; share: number; now: number },
): JsonObject {
  const { rid, id, range, parents, lsn } = partition;
  return {
    _rid: rid,
    id,
    _etag: `"${rid}"`,
    minInclusive: range.min,
    maxExclusive: range.max,
    ridPrefix: Number(id),
    _self: `${owner}/pkranges/${rid}/`,
    throughputFraction: share,
    status: 'online',
    parents: [...parents],
    _ts: now,
    _lsn: lsn,
  };
}

function positionOf({ request }: RouteContext): number {
  const header = request.headers['if-none-match'];
  if (header === undefined) return 0;
  const position = Number(header.replaceAll('"', ''));
  if (!Number.isSafeInteger(position)) throw badRequest('The If-None-Match header is not a feed position.');
  return position;
}
