import { preconditionFailed } from '../service-error.ts';
import type { Address } from '../storage/account.ts';
import { parseContainer, requireSameKeys } from '../storage/container-properties.ts';
import { containerOf } from './request-scope.ts';
import { resourceFeed } from './resource-feed.ts';
import { type Reply, type RouteContext, type RouteTable, readJson } from './route-context.ts';

const addressOf = ({ account, target }: RouteContext): Address =>
  account.address(['dbs', target.database ?? '', 'colls']);

const list = (context: RouteContext): Reply => {
  const { collection } = addressOf(context);
  return resourceFeed(context, 'DocumentCollections', context.account.list(collection));
};

/** Containers: create, read, list, query, replace, delete. */
export const containerRoutes: RouteTable = {
  'containers.create': (context) => {
    const container = context.account.createContainer(addressOf(context), readJson(context.request));
    return { status: 201, body: container.resource };
  },
  'containers.read': (context) => ({ body: containerOf(context).resource }),
  'containers.list': list,
  'containers.query': list,
  'containers.replace': (context) => {
    const { account, request } = context;
    const { properties, resource } = containerOf(context);
    const replacement = parseContainer(readJson(request));
    requireSameKeys(properties, replacement);
    const ifMatch = request.headers['if-match'];
    if (ifMatch !== undefined && ifMatch !== '*' && ifMatch !== resource._etag) throw preconditionFailed();
    return { body: account.replace(addressOf(context).collection, resource, replacement.definition) };
  },
  'containers.delete': (context) => {
    context.account.delete(addressOf(context).collection, containerOf(context).resource.id);
    return { status: 204 };
  },
};
