import type { ServiceRequest } from '../http-message.ts';
import { isObject, type Json, type JsonObject } from '../json.ts';
import { isRead, type ResourceKind, type Target } from '../routes/route-context.ts';
import { forbidden, unauthorized } from '../service-error.ts';
import { sameText } from './master-key.ts';

/** Audiences that are right for every account: the service's own, and the one that clients of other emulators ask for. */
const audiences: ReadonlySet<string> = new Set(['https://cosmos.azure.com', 'https://localhost.localhost']);

/** What an identity may do without a key: all with data, and read what describes it. */
const dataPlane: ReadonlyMap<ResourceKind, 'read' | 'all'> = new Map([
  ['account', 'read'],
  ['databases', 'read'],
  ['containers', 'read'],
  ['offers', 'read'],
  ['partitionKeyRanges', 'read'],
  ['items', 'all'],
  ['conflicts', 'all'],
  ['partitionKeyDelete', 'all'],
]);

/** Stored procedures are run by who may write, and changed with a key. */
const runsScript = ({ resource, operation }: Target): boolean =>
  resource === 'storedProcedures' && operation === 'execute';

/**
 * Checks an Entra ID token: a well-formed JSON Web Token whose audience is the endpoint, `https://cosmos.azure.com` or
 * the one of other emulators, and which is valid by the machine's time. There is no tenant to ask, so its signature is
 * not looked at, and every identity has the role of a data contributor. A token whose signature is the account's key itself,
 * as tests of clients make it for other emulators, may do all that the key may. Throws 401 for the token, 403 for a request of the
 * control plane.
 */
export function authorizeAad(
  token: string,
  { request, target, key }: { request: ServiceRequest; target: Target; key: string },
): void {
  const { aud, nbf, exp } = claimsOf(token);
  const audience = typeof aud === 'string' ? aud.replace(/\/+$/, '') : '';
  if (!audiences.has(audience) && !isEndpoint(audience, request.origin)) {
    throw unauthorized('The provided AAD token is issued for another audience.');
  }
  const now = Date.now() / 1000;
  if (typeof exp !== 'number' || exp <= now || (typeof nbf === 'number' && nbf > now + 300)) {
    throw unauthorized('The provided AAD token is not valid at the current time.');
  }
  if (carriesKey(token, key)) return;
  const allowed = dataPlane.get(target.resource);
  if (allowed === 'all' || (allowed === 'read' && isRead(target.operation)) || runsScript(target)) return;
  throw forbidden(
    `Request blocked by Auth cosmos-emulator : The given request [${request.method} /${target.segments.join('/')}] cannot be authorized by AAD token in data plane. Learn more: https://aka.ms/cosmos-native-rbac.`,
    5300,
  );
}

function carriesKey(token: string, key: string): boolean {
  const [, , signature = ''] = token.split('.');
  return sameText(Buffer.from(signature, 'base64').toString('utf8'), key);
}

/** Scopes name the endpoint with or without its port. */
function isEndpoint(audience: string, origin: string): boolean {
  return audience === origin || audience === origin.replace(/:\d+$/, '');
}

function claimsOf(token: string): JsonObject {
  const parts = token.split('.');
  const [header, claims] = parts.map(decoded);
  if (parts.length !== 3 || !isObject(header) || !isObject(claims)) {
    throw unauthorized('The provided AAD token is not a well-formed JSON Web Token.');
  }
  return claims;
}

function decoded(part: string): Json | undefined {
  try {
    const value: Json = JSON.parse(Buffer.from(part, 'base64url').toString('utf8'));
    return value;
  } catch {
    return undefined;
  }
}
