import { requireName } from '../storage/resource-id.ts';
import { resourceRoutes } from './resource-routes.ts';
import type { RouteTable } from './route-context.ts';

/** Users: who permissions belong to. A replacement may rename one; its permissions go with it. */
export const userRoutes: RouteTable = resourceRoutes(
  {
    kind: 'users',
    feed: 'Users',
    ridBytes: 8,
    links: { _permissions: 'permissions/' },
    define: ({ id }) => ({ id: requireName(id) }),
  },
  ['create', 'upsert', 'read', 'list', 'query', 'replace', 'delete'],
);
