import type { LeaseHeld } from '@polyphase/core';
import { sql } from 'kysely';
import { defineStatement, numberCell, type Statement, textCell } from '../statement.ts';

/** Reads who holds a lease. */
export const readLease: Statement<string, LeaseHeld> = defineStatement<string, LeaseHeld>(
  (slot) => sql`
    select holder, token, greatest(0, ceil(extract(epoch from ends_at - clock_timestamp()) * 1000))
    from polyphase.lease where name = ${slot((name) => name)}::text and holder is not null`,
  ([holder, token, remaining]) => ({
    holder: textCell(holder),
    token: numberCell(token),
    remainingMs: numberCell(remaining),
  }),
);
