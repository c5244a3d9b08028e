import { digestOf } from '@polyphase/core';
import { sql } from 'kysely';
import { defineStatement, noRow, type Statement } from '../statement.ts';

/** The advisory lock of a group: 64 bits of a digest of its name, as PostgreSQL's signed integer. */
export function groupLock(group: string): string {
  return BigInt.asIntN(64, BigInt(`0x${digestOf(`polyphase group ${group}`).slice(0, 16)}`)).toString();
}

/**
 * Shares the group's lock until the transaction ends. It must be a statement of its own, before the control row is read: the row
 * is then seen as the exclusive step left it that this statement waited for.
 */
export const shareGroup: Statement<string, undefined> = defineStatement<string, undefined>(
  (slot) => sql`select pg_advisory_xact_lock_shared(${slot(groupLock)}::bigint)`,
  noRow,
);

/** Owns the group's lock until the transaction ends: waits for all who share it, and those who come later wait. */
export const ownGroup: Statement<string, undefined> = defineStatement<string, undefined>(
  (slot) => sql`select pg_advisory_xact_lock(${slot(groupLock)}::bigint)`,
  noRow,
);
