import type { ResourceTokens } from '../authorization/resource-token.ts';
import type { EmulatorClock } from '../clock.ts';
import type { ConsistencyLevel } from '../consistency.ts';
import type { ServiceRequest } from '../http-message.ts';
import type { Json } from '../json.ts';
import type { ScriptEngine } from '../script/script-engine.ts';
import { badRequest } from '../service-error.ts';
import type { Account } from '../storage/account.ts';

/** The kinds of resources that the emulator serves. */
export type ResourceKind =
  | 'account'
  | 'databases'
  | 'users'
  | 'permissions'
  | 'clientEncryptionKeys'
  | 'containers'
  | 'items'
  | 'partitionKeyRanges'
  | 'conflicts'
  | 'partitionKeyDelete'
  | 'storedProcedures'
  | 'triggers'
  | 'userDefinedFunctions'
  | 'offers';

/** What a request wants to do with a resource. */
export type OperationKind =
  | 'read'
  | 'list'
  | 'create'
  | 'upsert'
  | 'replace'
  | 'patch'
  | 'delete'
  | 'query'
  | 'queryPlan'
  | 'batch'
  | 'bulk'
  | 'execute'
  | 'changeFeed';

/** A request, understood: what it addresses and what it wants. */
export interface Target {
  readonly resource: ResourceKind;
  readonly operation: OperationKind;
  readonly database: string | undefined;
  readonly container: string | undefined;
  readonly item: string | undefined;
  /** Path segments, decoded. */
  readonly segments: readonly string[];
}

/** What a handler works with. */
export interface RouteContext {
  readonly account: Account;
  readonly consistency: ConsistencyLevel;
  readonly clock: EmulatorClock;
  readonly scripts: ScriptEngine;
  readonly request: ServiceRequest;
  readonly target: Target;
  /** Issues the tokens of permissions. */
  readonly tokens: ResourceTokens;
}

/** What a handler answers. */
export interface Reply {
  readonly status?: number;
  /** A value to write as JSON. */
  readonly body?: unknown;
  /** JSON that is text already; wins over `body`. */
  readonly text?: string;
  readonly charge?: number;
  readonly headers?: Readonly<Record<string, string>>;
}

/** Answers a request, or throws a `ServiceError`. */
export type Handler = (context: RouteContext) => Reply;

/** Handlers by `resource.operation`. */
export type RouteTable = Readonly<Partial<Record<`${ResourceKind}.${OperationKind}`, Handler>>>;

const reads: ReadonlySet<OperationKind> = new Set(['read', 'list', 'query', 'queryPlan', 'changeFeed']);

/** Tells whether an operation leaves everything as it is. */
export function isRead(operation: OperationKind): boolean {
  return reads.has(operation);
}

/** Reads the body as JSON; undefined when there is none. Throws status 400. */
export function readJson(request: ServiceRequest): Json | undefined {
  if (request.body === '') return undefined;
  try {
    const value: Json = JSON.parse(request.body);
    return value;
  } catch {
    throw badRequest('The request body is not valid JSON.');
  }
}

/** Tells whether a header says yes, in any case. */
export function isTrue(header: string | undefined): boolean {
  return header?.toLowerCase() === 'true';
}

/** Tells whether a client wants no content back from its writes. */
export function prefersMinimal({ headers }: ServiceRequest): boolean {
  return /return=minimal/i.test(headers.prefer ?? '');
}

/** The page size that a request asks for: 100 where it does not, and with -1 as many as a response holds. */
export function pageSize(request: ServiceRequest): number {
  const asked = Number(request.headers['x-ms-max-item-count'] ?? 0);
  if (!Number.isInteger(asked) || asked < -1)
    throw badRequest('The value of the header x-ms-max-item-count is invalid.');
  if (asked === -1) return Number.MAX_SAFE_INTEGER;
  return asked > 0 ? asked : 100;
}
