import { resourceFeed } from './resource-feed.ts';
import { type RouteContext, type RouteTable, readJson } from './route-context.ts';

const list = (context: RouteContext) =>
  resourceFeed(
    context,
    'Databases',
    [...context.account.databases].map(({ resource }) => resource),
  );

/** Databases: create, read, list, query, delete. */
export const databaseRoutes: RouteTable = {
  'databases.create': ({ account, request }) => {
    return { status: 201, body: account.createDatabase(readJson(request)).resource };
  },
  'databases.read': ({ account, target }) => ({ body: account.database(target.database ?? '').resource }),
  'databases.list': list,
  'databases.query': list,
  'databases.delete': ({ account, target }) => {
    account.deleteDatabase(target.database ?? '');
    return { status: 204 };
  },
};
