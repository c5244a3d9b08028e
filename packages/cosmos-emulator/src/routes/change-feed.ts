import { type FeedPage, readFeed } from '../feed/change-feed.ts';
import { badRequest } from '../service-error.ts';
import type { Container, ItemScope } from '../storage/container.ts';
import type { PhysicalPartition } from '../storage/physical-partition.ts';
import { requestCharge } from '../storage/request-charge.ts';
import type { StoredItem } from '../storage/stored-item.ts';
import { containerOf, scopeOf } from './request-scope.ts';
import { pageSize, type Reply, type RouteContext, type RouteTable } from './route-context.ts';

/** The change feed in latest-version mode. */
export const changeFeedRoutes: RouteTable = {
  'items.changeFeed': (context) => {
    const { headers } = context.request;
    if (!/^incremental/i.test(headers['a-im'] ?? '')) {
      throw badRequest('Only the latest-version mode of the change feed is served.');
    }
    const container = containerOf(context);
    const scope = scopeOf(context, container);
    const physical = partitionOf(container, scope);
    const page = readFeed(container, physical, {
      scope,
      start: { position: headers['if-none-match'], since: headers['if-modified-since'] },
      maximum: pageSize(context.request),
    });
    return reply(context, { container, physical, page });
  },
};

function partitionOf(container: Container, scope: ItemScope): PhysicalPartition {
  if (scope.physical !== undefined) return scope.physical;
  const paths = container.properties.partitionKey.paths.length;
  if (scope.key?.length === paths) return container.physicalOf(scope.key);
  const [first, second] = container.physicalPartitions;
  if (first === undefined || second !== undefined) {
    throw badRequest('A change feed request needs a partition key or a partition key range.');
  }
  return first;
}

function reply(
  { request }: RouteContext,
  read: { container: Container; physical: PhysicalPartition; page: FeedPage },
): Reply {
  const { container, physical, page } = read;
  const count = page.items.length;
  const range = request.headers['x-ms-documentdb-partitionkeyrangeid'];
  const headers = {
    etag: page.etag,
    'x-ms-item-count': String(count),
    'x-ms-session-token': physical.sessionToken,
    ...(range === undefined ? {} : { 'x-ms-documentdb-partitionkeyrangeid': range }),
  };
  const charge = requestCharge.changeFeed(count);
  if (count === 0) return { status: 304, charge, headers };
  const documents = page.items.map(withLsn).join(',');
  return {
    charge,
    headers,
    text: `{"_rid":${JSON.stringify(container.rid)},"Documents":[${documents}],"_count":${count}}`,
  };
}

/** The text of an item always ends with a system property, so one more can follow it. */
function withLsn(item: StoredItem): string {
  return `${item.text.slice(0, -1)},"_lsn":${item.lsn}}`;
}
