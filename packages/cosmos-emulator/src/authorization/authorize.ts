import { createSecretKey } from 'node:crypto';
import type { EmulatorClock } from '../clock.ts';
import type { ServiceRequest } from '../http-message.ts';
import { keyText, parsePartitionKey } from '../partition/partition-key.ts';
import { isRead, type Target } from '../routes/route-context.ts';
import { forbidden, unauthorized } from '../service-error.ts';
import type { Account } from '../storage/account.ts';
import { authorizeAad } from './aad-token.ts';
import { signingKey } from './master-key.ts';
import { createResourceTokens, type Grant, malformed, type ResourceTokens } from './resource-token.ts';
import { authorizeSas } from './sas-token.ts';

/** Decides who may do what. */
export interface Authorizer {
  /** The tokens of the account's permissions. */
  readonly tokens: ResourceTokens;
  /** Lets a request pass. Throws 401 where it is not known who asks, 403 where they may not. */
  authorize(request: ServiceRequest, target: Target): void;
}

/** Makes the authorizer of an account: its keys, tokens signed with them, the resource tokens of its users, and Entra ID tokens. */
export function createAuthorizer(parts: {
  account: Account;
  clock: EmulatorClock;
  key: string;
  readOnlyKey?: string | undefined;
}): Authorizer {
  const { account, clock } = parts;
  // Made once: turning bytes into a key takes six times as long as signing with it.
  const key = createSecretKey(parts.key, 'base64');
  const readOnly = parts.readOnlyKey === undefined ? [] : [createSecretKey(parts.readOnlyKey, 'base64')];
  const tokens = createResourceTokens(key, clock);
  return {
    tokens,
    authorize(request, target) {
      const { type, signature, text } = headerOf(request);
      if (type === 'master') {
        const used = signingKey({ request, target, signature }, [key, ...readOnly]);
        if (used !== key) requireReadable(target);
      } else if (type === 'resource') requireGranted(tokens.read(text), { account, request, target });
      else if (type === 'sas') authorizeSas(text, { keys: [key, ...readOnly], clock, target });
      else if (type === 'aad') authorizeAad(signature, { request, target, key: parts.key });
      else throw malformed();
    },
  };
}

function headerOf(request: ServiceRequest): { type: string; signature: string; text: string } {
  const header = request.headers.authorization;
  if (header === undefined || header === '') {
    throw unauthorized(
      "Required Header 'authorization' is missing. Ensure a valid Authorization token is passed.",
    );
  }
  const text = decoded(header);
  const [, type = '', signature = ''] = /^type=(\w+)&ver=[\d.]+&sig=(.*)$/s.exec(text) ?? [];
  return { type, signature, text };
}

/** The read-only key reads all but permissions: their tokens would let it write. */
function requireReadable({ resource, operation }: Target): void {
  if (!isRead(operation) || resource === 'permissions') throw forbidden();
}

function requireGranted(
  grant: Grant,
  { account, request, target }: { account: Account; request: ServiceRequest; target: Target },
): void {
  const { resource, operation, segments } = target;
  // Every client reads the account first.
  if (resource === 'account') return;
  if (target.container === undefined || (grant.mode === 'read' && !isRead(operation))) throw forbidden();
  const container = account.container(target.database ?? '', target.container);
  if (container.rid !== grant.container) throw forbidden();
  if (grant.path.length > 0 && grant.path.join('/') !== segments.slice(4).join('/')) throw forbidden();
  if (grant.partitionKey === undefined || describesItems(target)) return;
  const header = request.headers['x-ms-documentdb-partitionkey'];
  const { partitionKey } = container.properties;
  const granted = keyText(parsePartitionKey(grant.partitionKey, partitionKey));
  // The operations of a bulk request name their own keys.
  if (
    header === undefined ||
    operation === 'bulk' ||
    !keyText(parsePartitionKey(header, partitionKey)).startsWith(granted)
  ) {
    throw forbidden();
  }
}

/** What a client reads before it can ask for items, whatever their key. */
function describesItems({ resource, operation }: Target): boolean {
  return (
    operation === 'queryPlan' ||
    ((resource === 'containers' || resource === 'partitionKeyRanges') && isRead(operation))
  );
}

function decoded(header: string): string {
  try {
    return decodeURIComponent(header);
  } catch {
    return header;
  }
}
