import { readAllVersions, readLatestVersions } from '../feed/change-feed.ts';
import { changeEntry, latestEntry, separateEntry } from '../feed/feed-entry.ts';
import { badRequest } from '../service-error.ts';
import type { Container } from '../storage/container.ts';
import type { ItemScope } from '../storage/item-scope.ts';
import type { PhysicalPartition } from '../storage/physical-partition.ts';
import { requestCharge } from '../storage/request-charge.ts';
import { containerOf, partitionsOf, scopeOf } from './request-scope.ts';
import { pageSize, type Reply, type RouteContext, type RouteTable } from './route-context.ts';

/** The change feed, in both of its modes. */
export const changeFeedRoutes: RouteTable = {
  'items.changeFeed': (context) => {
    const { headers } = context.request;
    const container = containerOf(context);
    const scope = scopeOf(context, container);
    const physical = partitionOf(container, scope);
    const page = read(headers['a-im'] ?? '', headers['x-ms-cosmos-changefeed-wire-format-version'], {
      container,
      scope,
      physical,
      start: { position: headers['if-none-match'], since: headers['if-modified-since'] },
      maximum: pageSize(context.request),
    });
    return reply(context, { container, physical, page });
  },
};

/** Changes as JSON text, and the position after them. */
interface Page {
  readonly entries: readonly string[];
  readonly etag: string;
}

/** The first wire format that keeps item and metadata apart. */
const separateFormat = '2021-09-15';

function read(
  mode: string,
  format: string | undefined,
  request: Parameters<typeof readAllVersions>[0],
): Page {
  if (/^full-fidelity/i.test(mode)) {
    const { paths } = request.container.properties.partitionKey;
    const { changes, etag } = readAllVersions(request);
    return { entries: changes.map((change) => changeEntry(change, paths)), etag };
  }
  if (!/^incremental/i.test(mode))
    throw badRequest(`The value '${mode}' of the header A-IM is not supported.`);
  const { changes, etag } = readLatestVersions(request);
  return { entries: changes.map(isSeparate(format) ? separateEntry : latestEntry), etag };
}

function isSeparate(format: string | undefined): boolean {
  return format !== undefined && format >= separateFormat;
}

function partitionOf(container: Container, scope: ItemScope): PhysicalPartition {
  const [first, second] = partitionsOf(container, scope);
  if (first === undefined || second !== undefined) {
    throw badRequest('A change feed request needs a partition key or a partition key range.');
  }
  return first;
}

function reply(
  { request }: RouteContext,
  { container, physical, page }: { container: Container; physical: PhysicalPartition; page: Page },
): Reply {
  const count = page.entries.length;
  const range = request.headers['x-ms-documentdb-partitionkeyrangeid'];
  const headers = {
    etag: page.etag,
    lsn: String(physical.lsn),
    'x-ms-item-count': String(count),
    'x-ms-session-token': physical.sessionToken,
    ...(range === undefined ? {} : { 'x-ms-documentdb-partitionkeyrangeid': range }),
  };
  const charge = requestCharge.changeFeed(count);
  if (count === 0) return { status: 304, charge, headers };
  const documents = page.entries.join(',');
  return {
    charge,
    headers,
    text: `{"_rid":${JSON.stringify(container.rid)},"Documents":[${documents}],"_count":${count}}`,
  };
}
