import { isObject } from '../json.ts';
import { badRequest } from '../service-error.ts';
import { isValidId } from '../storage/resource-id.ts';
import { resourceFeed } from './resource-feed.ts';
import { type Reply, type RouteContext, type RouteTable, readJson } from './route-context.ts';

const collection = 'dbs';
const links = { _colls: 'colls/', _users: 'users/' };

const list = (context: RouteContext): Reply =>
  resourceFeed(context, 'Databases', context.account.list(collection));

/** Databases: create, read, list, query, delete. */
export const databaseRoutes: RouteTable = {
  'databases.create': ({ account, request }) => {
    const body = readJson(request);
    const id = isObject(body) ? body.id : undefined;
    if (!isValidId(id))
      throw badRequest('The input name is invalid. Ensure to provide a unique non-empty string.');
    const resource = account.create({ collection, parent: undefined, body: { id }, ridBytes: 4, links });
    return { status: 201, body: resource };
  },
  'databases.read': ({ account, target }) => ({ body: account.read(collection, target.database ?? '') }),
  'databases.list': list,
  'databases.query': list,
  'databases.delete': ({ account, target }) => {
    account.delete(collection, target.database ?? '');
    return { status: 204 };
  },
};
