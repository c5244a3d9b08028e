import { requireName } from '../storage/resource-id.ts';
import { resourceRoutes } from './resource-routes.ts';
import type { RouteTable } from './route-context.ts';

/** The conflicts of a container. Writes in one region are never in conflict, so there are none; nobody can create one. */
export const conflictRoutes: RouteTable = resourceRoutes(
  {
    kind: 'conflicts',
    feed: 'Conflicts',
    ridBytes: 16,
    define: ({ id }) => ({ id: requireName(id) }),
  },
  ['read', 'list', 'query', 'delete'],
);
