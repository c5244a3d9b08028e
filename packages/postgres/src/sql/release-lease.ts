import type { Lease } from '@polyphase/core';
import { sql } from 'kysely';
import { defineStatement, noRow, type Statement } from '../statement.ts';

/** Gives a lease up, if it is still this one. The row stays, and with it the token. */
export const releaseLease: Statement<Lease, undefined> = defineStatement<Lease, undefined>(
  (slot) => sql`
    update polyphase.lease set holder = null, ends_at = clock_timestamp()
    where name = ${slot(({ name }) => name)}::text and holder = ${slot(({ holder }) => holder)}::text
      and token = ${slot(({ token }) => String(token))}::bigint`,
  noRow,
);
