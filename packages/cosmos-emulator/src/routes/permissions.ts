import type { Grant } from '../authorization/resource-token.ts';
import { type Json, type JsonObject, shown } from '../json.ts';
import { parsePartitionKey } from '../partition/partition-key.ts';
import { badRequest, conflict, notFound } from '../service-error.ts';
import type { Account } from '../storage/account.ts';
import type { Resource } from '../storage/journal.ts';
import { requireName } from '../storage/resource-id.ts';
import { type Definition, resourceRoutes } from './resource-routes.ts';
import type { RouteContext, RouteTable } from './route-context.ts';

/** Permissions of a user. Every answer carries a new token for what the permission allows. */
export const permissionRoutes: RouteTable = resourceRoutes(
  {
    kind: 'permissions',
    feed: 'Permissions',
    ridBytes: 16,
    define,
    present: (permission, context) => ({
      ...permission,
      _token: context.tokens.issue(grantOf(permission, context.account) ?? nothing, expirySeconds(context)),
    }),
  },
  ['create', 'upsert', 'read', 'list', 'query', 'replace', 'delete'],
);

/** What is left of a permission whose container is gone. */
const nothing: Grant = { container: '', path: [], mode: 'read' };

function define(body: JsonObject, context: RouteContext, old: Resource | undefined): Definition {
  const { account } = context;
  const { permissionMode, resource, resourcePartitionKey } = body;
  if (typeof permissionMode !== 'string' || !/^(read|all)$/i.test(permissionMode)) {
    throw badRequest("The permission mode is invalid. Ensure to provide one of 'Read' and 'All'.");
  }
  if (typeof resource !== 'string' || resource === '') {
    throw badRequest(
      "The input content is invalid because the required properties - 'resource; ' - are missing",
    );
  }
  const definition = {
    id: requireName(body.id),
    permissionMode,
    resource,
    ...(resourcePartitionKey === undefined || resourcePartitionKey === null ? {} : { resourcePartitionKey }),
  };
  const grant = grantOf(definition, account);
  if (grant === undefined) throw notFound();
  expirySeconds(context);
  requireOnly(context, { grant, id: old?.id ?? definition.id });
  return definition;
}

/** A user has one permission for a resource, and the same resource with another partition key is another resource. */
function requireOnly({ account, target }: RouteContext, wanted: { grant: Grant; id: string }): void {
  const scope = scopeText(wanted.grant);
  const { collection } = account.address(target.segments.slice(0, 5));
  for (const other of account.list(collection)) {
    const grant = other.id === wanted.id ? undefined : grantOf(other, account);
    if (grant !== undefined && scopeText(grant) === scope) throw conflict();
  }
}

function scopeText({ container, path, partitionKey = '' }: Grant): string {
  return `${container}/${path.join('/')}/${partitionKey}`;
}

/** What a permission allows; undefined where its container does not exist. Throws 400 for what no permission is for. */
function grantOf(permission: JsonObject, account: Account): Grant | undefined {
  const [root, database = '', kind, container = '', ...path] = segmentsOf(shown(permission.resource));
  if (root !== 'dbs' || kind !== 'colls' || container === '' || path.length % 2 !== 0) {
    throw badRequest(`The resource '${shown(permission.resource)}' of the permission is not valid.`);
  }
  const parent = account.find('dbs', database);
  const found = account.find(`dbs/${parent?.id ?? ''}/colls`, container);
  if (parent === undefined || found === undefined) return undefined;
  const partitionKey = keyOf(permission.resourcePartitionKey);
  const { properties } = account.container(parent.id, found.id);
  if (partitionKey !== undefined) parsePartitionKey(partitionKey, properties.partitionKey);
  const mode = /^all$/i.test(shown(permission.permissionMode)) ? 'all' : 'read';
  return { container: found._rid, path, mode, ...(partitionKey === undefined ? {} : { partitionKey }) };
}

function segmentsOf(link: string): string[] {
  return link.split('/').filter((segment) => segment !== '');
}

/** Clients send the components of the key as an array, or a single one by itself. */
function keyOf(value: Json | undefined): string | undefined {
  if (value === undefined) return undefined;
  return JSON.stringify(Array.isArray(value) ? value : [value]);
}

const expiryHeader = 'x-ms-documentdb-expiry-seconds';

/** How long a token lasts: an hour, or as the request says from ten seconds to a day. */
function expirySeconds({ request }: RouteContext): number {
  const text = request.headers[expiryHeader];
  const seconds = Number(text ?? 3600);
  if (Number.isInteger(seconds) && seconds >= 10 && seconds <= 86_400) return seconds;
  throw badRequest(`The value '${text ?? ''}' specified for the header '${expiryHeader}' is invalid.`);
}
