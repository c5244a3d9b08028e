import type { KeyObject } from 'node:crypto';
import type { EmulatorClock } from '../clock.ts';
import { isRead, type OperationKind, type ResourceKind, type Target } from '../routes/route-context.ts';
import { forbidden } from '../service-error.ts';
import { notValidNow, sameText, sign, wrongSignature } from './master-key.ts';
import { malformed } from './resource-token.ts';

/** Bits of the scopes that a token carries, as `PermissionScopeValues` of the client names them: one of them is enough. */
const scopes: Readonly<Partial<Record<`${ResourceKind}.${OperationKind}`, number>>> = {
  'databases.list': 0x2,
  'databases.query': 0x2,
  'databases.read': 0x4,
  'databases.create': 0x1,
  'databases.delete': 0x6,
  'containers.list': 0x10,
  'containers.query': 0x10,
  'containers.create': 0x10,
  'containers.replace': 0x40,
  'containers.delete': 0xa0,
  'items.query': 0x1,
  'items.list': 0x2,
  'items.changeFeed': 0x2,
  'items.read': 0x40,
  'items.create': 0x1,
  'items.replace': 0x1_0002,
  'items.patch': 0x1_0002,
  'items.upsert': 0x2_0004,
  'items.delete': 0x4_0008,
  'items.batch': 0xf,
  'items.bulk': 0xf,
  'partitionKeyDelete.delete': 0x8,
  'storedProcedures.list': 0x4,
  'storedProcedures.query': 0x4,
  'storedProcedures.read': 0x80,
  'storedProcedures.create': 0x10,
  'storedProcedures.replace': 0x10_0020,
  'storedProcedures.delete': 0x20_0040,
  'storedProcedures.execute': 0x40_0080,
  'userDefinedFunctions.list': 0x8,
  'userDefinedFunctions.query': 0x8,
  'userDefinedFunctions.read': 0x100,
  'userDefinedFunctions.create': 0x800,
  'userDefinedFunctions.replace': 0x80_1000,
  'userDefinedFunctions.delete': 0x100_2000,
  'triggers.list': 0x10,
  'triggers.query': 0x10,
  'triggers.read': 0x200,
  'triggers.create': 0x100,
  'triggers.replace': 0x200_0200,
  'triggers.delete': 0x400_0400,
  'conflicts.list': 0x20,
  'conflicts.query': 0x20,
  'conflicts.read': 0x20,
  'conflicts.delete': 0x4000,
};

const controlPlane: ReadonlySet<ResourceKind> = new Set(['databases', 'containers']);

/** What every client reads before its first request of data. */
const openReads: ReadonlySet<string> = new Set([
  'account.read',
  'containers.read',
  'partitionKeyRanges.list',
  'partitionKeyRanges.changeFeed',
  'items.queryPlan',
]);

/**
 * Checks a token that `createAuthorizationSasToken` of the client has signed with a key of the account: its time, the
 * path that it is for, and what its scopes allow there; ranges of partition keys are not looked at. Throws 401 for another signature, 403 for what it does not grant.
 */
export function authorizeSas(
  text: string,
  { keys, clock, target }: { keys: readonly KeyObject[]; clock: EmulatorClock; target: Target },
): void {
  const [, signature = '', payload = ''] = /^type=sas&ver=[\d.]+&sig=([^;]*);(.+)$/.exec(text) ?? [];
  if (payload === '') throw malformed();
  const signer = keys.find((key) => sameText(signature, sign(payload, key)));
  if (signer === undefined) throw wrongSignature();
  const fields = Buffer.from(payload, 'base64').toString('utf8').split('\n');
  const [, , path = '', , start = '', expiry = '', , ...granted] = fields;
  requireTime(Number.parseInt(start, 16) * 1000, Number.parseInt(expiry, 16) * 1000, clock.now());
  // The read-only key cannot give away what it does not have.
  if (signer !== keys[0] && !isRead(target.operation)) throw forbidden();
  const operation: `${ResourceKind}.${OperationKind}` = `${target.resource}.${target.operation}`;
  if (!isOnPath(path, target)) throw forbidden();

  if (openReads.has(operation)) return;
  const plane = (controlPlane.has(target.resource) ? 0 : 2) + (isRead(target.operation) ? 0 : 1);
  const scope = Number.parseInt(granted[plane] ?? '0', 16);
  if ((scope & (scopes[operation] ?? 0)) === 0) throw forbidden();
}

/** Clients round the start to whole seconds, so it may lie a little ahead. */
function requireTime(start: number, expiry: number, now: number): void {
  if (Number.isNaN(start) || Number.isNaN(expiry)) throw malformed();
  if (now < start - 1000 || now >= expiry) throw notValidNow({ start, expiry, now });
}

function isOnPath(path: string, { resource, segments }: Target): boolean {
  const prefix = path.split('/').filter((segment) => segment !== '');
  return resource === 'account' || prefix.every((segment, at) => segments[at] === segment);
}
