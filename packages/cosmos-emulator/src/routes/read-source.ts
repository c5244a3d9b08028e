import { type ConsistencyLevel, consistencyLevels } from '../consistency.ts';
import { badRequest, readSessionNotAvailable } from '../service-error.ts';
import type { Account } from '../storage/account.ts';
import { hasReached, readSessionToken, type SessionProgress } from '../storage/session-token.ts';
import { containerOf, partitionsOf, scopeOf } from './request-scope.ts';
import type { OperationKind, RouteContext } from './route-context.ts';

const reads: ReadonlySet<OperationKind> = new Set(['read', 'query', 'list', 'changeFeed']);

/**
 * Gives the state that answers a request: for reads of items the replica, if it lags and what it has is enough. Throws 400
 * for a consistency that is stronger than the account's, 404 with 1002 for a session that has seen what nobody has.
 */
export function readSource(context: RouteContext, replica: Account | undefined): Account {
  const { account, consistency, request, target } = context;
  if (target.resource !== 'items' || !reads.has(target.operation)) return account;
  const level = levelOf(request.headers['x-ms-consistency-level'], consistency);
  const token = level === 'Session' ? request.headers['x-ms-session-token'] : undefined;
  const progress = token === undefined || token === '' ? undefined : readSessionToken(token);
  if (progress !== undefined && !reached(context, progress)) throw readSessionNotAvailable();
  if (replica === undefined || rankOf(level) < rankOf('Session')) return account;
  // Purging what has expired, as the feed of every version does, is a write.
  if (/^full-fidelity/i.test(request.headers['a-im'] ?? '')) return account;
  if (!replica.holds(containerOf(context))) return account;
  return progress === undefined || reached({ ...context, account: replica }, progress) ? replica : account;
}

function reached(context: RouteContext, progress: SessionProgress): boolean {
  const container = containerOf(context);
  return hasReached(partitionsOf(container, scopeOf(context, container)), progress);
}

function rankOf(level: ConsistencyLevel): number {
  return consistencyLevels.indexOf(level);
}

function levelOf(header: string | undefined, level: ConsistencyLevel): ConsistencyLevel {
  if (header === undefined) return level;
  const asked = consistencyLevels.find((one) => one.toLowerCase() === header.toLowerCase());
  if (asked === undefined) {
    throw badRequest(`The value '${header}' specified for the header 'x-ms-consistency-level' is invalid.`);
  }
  if (rankOf(asked) >= rankOf(level)) return asked;
  throw badRequest(
    `ConsistencyLevel ${asked} specified in the request is invalid when service is configured with consistency level ${level}. Ensure the request consistency level is not stronger than the service consistency level.`,
  );
}
