import { isObject } from '../json.ts';
import { badRequest } from '../service-error.ts';
import { requireName } from '../storage/resource-id.ts';
import { resourceRoutes } from './resource-routes.ts';
import type { RouteTable } from './route-context.ts';

/** Wrapped keys that clients encrypt with: the service keeps them and cannot read them. They are never deleted. */
export const clientEncryptionKeyRoutes: RouteTable = resourceRoutes(
  {
    kind: 'clientEncryptionKeys',
    feed: 'ClientEncryptionKeys',
    ridBytes: 8,
    define: ({ id, encryptionAlgorithm, wrappedDataEncryptionKey, keyWrapMetadata }, _, old) => {
      const name = requireName(id);
      if (old !== undefined && old.id !== name) {
        throw badRequest('The id of a client encryption key cannot be changed.');
      }
      if (typeof wrappedDataEncryptionKey !== 'string' || !isObject(keyWrapMetadata)) {
        throw badRequest(
          'The client encryption key is invalid. Ensure to provide the wrapped key and its metadata.',
        );
      }
      return { id: name, encryptionAlgorithm, wrappedDataEncryptionKey, keyWrapMetadata };
    },
  },
  ['create', 'read', 'list', 'query', 'replace'],
);
