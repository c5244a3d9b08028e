import { requestedThroughput } from '../storage/offer.ts';
import { requireName } from '../storage/resource-id.ts';
import { resourceRoutes } from './resource-routes.ts';
import type { RouteTable } from './route-context.ts';

/** Databases: create, read, list, query, delete. One that is made with throughput shares it among its containers. */
export const databaseRoutes: RouteTable = resourceRoutes(
  {
    kind: 'databases',
    feed: 'Databases',
    ridBytes: 4,
    links: { _colls: 'colls/', _users: 'users/' },
    define: ({ id }) => ({ id: requireName(id) }),
    throughput: ({ request }) => requestedThroughput(request.headers),
  },
  ['create', 'read', 'list', 'query', 'delete'],
);
