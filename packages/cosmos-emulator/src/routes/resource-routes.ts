import { isObject, type Json, type JsonObject } from '../json.ts';
import { badRequest, preconditionFailed } from '../service-error.ts';
import type { Address } from '../storage/account.ts';
import type { Resource } from '../storage/journal.ts';
import type { Throughput } from '../storage/offer.ts';
import { resourceFeed } from './resource-feed.ts';
import {
  type Handler,
  type OperationKind,
  type Reply,
  type ResourceKind,
  type RouteContext,
  type RouteTable,
  readJson,
} from './route-context.ts';

/** A definition as it is stored. */
export type Definition = JsonObject & { readonly id: string };

/** What tells one kind of small resource from another. */
export interface ResourceRules {
  readonly kind: ResourceKind;
  /** Name of the array in its feed, such as `Users`. */
  readonly feed: string;
  /** Length of the resource id. */
  readonly ridBytes: number;
  /** Links to the collections below it. */
  readonly links?: Readonly<Record<string, string>>;
  /** Reads what a client sent for a new resource, or for a new version of an old one. Throws 400 and 409. */
  define(body: JsonObject, context: RouteContext, old: Resource | undefined): Definition;
  /** Reads the throughput of a new one, for what has its own. Throws 400. */
  throughput?(context: RouteContext): Throughput | undefined;
  /** What clients see of it. @default the resource as it is stored */
  present?(resource: Resource, context: RouteContext): JsonObject;
}

/** Where the resources of a kind are kept, and the one that the request names. */
interface Place extends Address {
  readonly id: string;
}

type Operation = Extract<
  OperationKind,
  'create' | 'upsert' | 'read' | 'list' | 'query' | 'replace' | 'delete'
>;

const handlers: Readonly<Record<Operation, (rules: ResourceRules, context: RouteContext) => Reply>> = {
  create,
  upsert,
  read: (rules, context) => ({ body: presented(rules, context, current(context)) }),
  list,
  query: list,
  replace: (rules, context) => replace(rules, context, current(context)),
  delete: (_, context) => {
    const resource = current(context);
    requireMatch(context, resource);
    context.account.delete(placeOf(context).collection, resource.id);
    return { status: 204 };
  },
};

/** Gives the routes of a kind of resource that is a definition and nothing more, for the operations that it has. */
export function resourceRoutes(rules: ResourceRules, operations: readonly Operation[]): RouteTable {
  return Object.fromEntries(
    operations.map((operation): [string, Handler] => [
      `${rules.kind}.${operation}`,
      (context) => handlers[operation](rules, context),
    ]),
  );
}

/** Reads the body as an object. Throws 400. */
export function readDefinition({ request }: RouteContext): JsonObject {
  const body: Json | undefined = readJson(request);
  if (isObject(body)) return body;
  throw badRequest('The request payload is invalid. Ensure to provide a valid request payload.');
}

/** Checks the `If-Match` of a request against the resource. Throws 412. */
export function requireMatch({ request }: RouteContext, { _etag }: Resource): void {
  const wanted = request.headers['if-match'];
  if (wanted !== undefined && wanted !== '*' && wanted !== _etag) throw preconditionFailed();
}

function placeOf({ account, target }: RouteContext): Place {
  const { segments } = target;
  const single = segments.length % 2 === 0;
  const id = single ? (segments.at(-1) ?? '') : '';
  return { ...account.address(single ? segments.slice(0, -1) : segments), id };
}

function current(context: RouteContext): Resource {
  const { collection, id } = placeOf(context);
  return context.account.read(collection, id);
}

function presented(rules: ResourceRules, context: RouteContext, resource: Resource): JsonObject {
  return rules.present?.(resource, context) ?? resource;
}

function list(rules: ResourceRules, context: RouteContext): Reply {
  const resources = context.account.list(placeOf(context).collection);
  return resourceFeed(
    context,
    rules.feed,
    resources.map((resource) => presented(rules, context, resource)),
  );
}

function create(rules: ResourceRules, context: RouteContext): Reply {
  const { collection, parent } = placeOf(context);
  const { ridBytes, links = {} } = rules;
  const body = rules.define(readDefinition(context), context, undefined);
  const throughput = rules.throughput?.(context);
  const resource = context.account.create({ collection, parent, body, ridBytes, links, throughput });
  return { status: 201, body: presented(rules, context, resource) };
}

function upsert(rules: ResourceRules, context: RouteContext): Reply {
  const { id } = readDefinition(context);
  const { collection } = placeOf(context);
  const old = typeof id === 'string' ? context.account.find(collection, id) : undefined;
  return old === undefined ? create(rules, context) : replace(rules, context, old);
}

function replace(rules: ResourceRules, context: RouteContext, old: Resource): Reply {
  const body = rules.define(readDefinition(context), context, old);
  requireMatch(context, old);
  const resource = context.account.replace(placeOf(context).collection, old, body);
  return { body: presented(rules, context, resource) };
}
