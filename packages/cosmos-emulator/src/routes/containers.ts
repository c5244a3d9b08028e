import { isObject } from '../json.ts';
import type { Address } from '../storage/account.ts';
import type { Container } from '../storage/container.ts';
import { parseReplacement } from '../storage/container-properties.ts';
import { defaultThroughput, requestedThroughput } from '../storage/offer.ts';
import { hasOffer } from './offers.ts';
import { containerOf } from './request-scope.ts';
import { resourceFeed } from './resource-feed.ts';
import { requireMatch } from './resource-routes.ts';
import { isTrue, type Reply, type RouteContext, type RouteTable, readJson } from './route-context.ts';

const addressOf = ({ account, target }: RouteContext): Address =>
  account.address(['dbs', target.database ?? '', 'colls']);

const list = (context: RouteContext): Reply => {
  const { collection } = addressOf(context);
  return resourceFeed(context, 'DocumentCollections', context.account.list(collection));
};

/** Containers: create, read, list, query, replace, delete. */
export const containerRoutes: RouteTable = {
  'containers.create': create,
  'containers.read': (context) => {
    const container = containerOf(context);
    return { body: container.resource, headers: quotaHeaders(context, container) };
  },
  'containers.list': list,
  'containers.query': list,
  'containers.replace': (context) => {
    const { properties, resource } = containerOf(context);
    const replacement = parseReplacement(properties, readJson(context.request));
    requireMatch(context, resource);
    const { collection } = addressOf(context);
    const body = { ...replacement.definition, id: replacement.id };
    return { body: context.account.replace(collection, resource, body) };
  },
  'containers.delete': (context) => {
    const { resource } = containerOf(context);
    requireMatch(context, resource);
    context.account.delete(addressOf(context).collection, resource.id);
    return { status: 204 };
  },
};

/** A container has its own throughput if it asks for it, or if its database has none to share. */
function create(context: RouteContext): Reply {
  const { account, request } = context;
  const address = addressOf(context);
  const asked = requestedThroughput(request.headers);
  const throughput = asked ?? (hasOffer(context, address.parent) ? undefined : defaultThroughput);
  const { resource } = account.createContainer(address, readJson(request), throughput);
  return { status: 201, body: resource };
}

/** What the container may hold and what it holds, for requests that ask: sizes are in kilobytes. */
function quotaHeaders({ request }: RouteContext, container: Container): Record<string, string> {
  if (!isTrue(request.headers['x-ms-documentdb-populatequotainfo'])) return {};
  let [count, bytes] = [0, 0];
  for (const item of container.items()) {
    count++;
    bytes += item.size;
  }
  const size = Math.ceil(bytes / 1024);
  const { indexingPolicy } = container.properties.definition;
  const isLazy = isObject(indexingPolicy) && indexingPolicy.indexingMode === 'lazy';
  return {
    'x-ms-resource-quota':
      'documentSize=10240;documentsSize=10485760;documentsCount=-1;collectionSize=10485760;',
    'x-ms-resource-usage': `documentSize=0;documentsSize=${size};documentsCount=${count};collectionSize=${size};`,
    'x-ms-documentdb-collection-index-transformation-progress': '100',
    ...(isLazy ? { 'x-ms-documentdb-collection-lazy-indexing-progress': '100' } : {}),
  };
}
