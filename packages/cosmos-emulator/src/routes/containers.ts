import { badRequest, preconditionFailed } from '../service-error.ts';
import { parseContainer } from '../storage/container-properties.ts';
import { containerOf } from './request-scope.ts';
import { resourceFeed } from './resource-feed.ts';
import { type Reply, type RouteContext, type RouteTable, readJson } from './route-context.ts';

const list = (context: RouteContext): Reply => {
  const { containers } = context.account.database(context.target.database ?? '');
  return resourceFeed(
    context,
    'DocumentCollections',
    [...containers.values()].map(({ resource }) => resource),
  );
};

/** Containers: create, read, list, query, replace, delete; and the ranges of their physical partitions. */
export const containerRoutes: RouteTable = {
  'containers.create': ({ account, request, target }) => {
    const container = account.createContainer(account.database(target.database ?? ''), readJson(request));
    return { status: 201, body: container.resource };
  },
  'containers.read': (context) => ({ body: containerOf(context).resource }),
  'containers.list': list,
  'containers.query': list,
  'containers.replace': (context) => {
    const container = containerOf(context);
    const properties = parseContainer(readJson(context.request));
    if (properties.id !== container.properties.id)
      throw badRequest('The id of a container cannot be changed.');
    const ifMatch = context.request.headers['if-match'];
    if (ifMatch !== undefined && ifMatch !== '*' && ifMatch !== container.etag) throw preconditionFailed();
    container.redefine(properties);
    return { body: container.resource };
  },
  'containers.delete': (context) => {
    const container = containerOf(context);
    context.account.database(context.target.database ?? '').containers.delete(container.properties.id);
    return { status: 204 };
  },
  'partitionKeyRanges.list': (context) => partitionKeyRanges(context),
};

function partitionKeyRanges(context: RouteContext): Reply {
  const { rid, physicalPartitions } = containerOf(context);
  const ranges = physicalPartitions.map((partition, at) => ({
    _rid: partition.rid,
    id: partition.id,
    _etag: `"${partition.rid}"`,
    minInclusive: partition.range.min,
    maxExclusive: partition.range.max,
    ridPrefix: at,
    _self: `${rid}/pkranges/${partition.rid}/`,
    throughputFraction: 1 / physicalPartitions.length,
    status: 'online',
    parents: [],
    _ts: Math.floor(context.clock.now() / 1000),
    _lsn: partition.lsn,
  }));
  return {
    body: { _rid: rid, PartitionKeyRanges: ranges, _count: ranges.length },
    headers: { 'x-ms-item-count': String(ranges.length) },
  };
}
