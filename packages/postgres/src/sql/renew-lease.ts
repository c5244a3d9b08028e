import type { Lease } from '@polyphase/core';
import { sql } from 'kysely';
import { defineStatement, numberCell, type Statement } from '../statement.ts';

/** Makes a lease last from now on, if nobody else took it and it was not released: its token, or no row. */
export const renewLease: Statement<Lease, number> = defineStatement<Lease, number>(
  (slot) => sql`
    update polyphase.lease
    set ends_at = clock_timestamp()
      + ${slot(({ durationMs }) => String(durationMs))}::double precision * interval '1 millisecond',
      duration_ms = ${slot(({ durationMs }) => String(durationMs))}::double precision
    where name = ${slot(({ name }) => name)}::text and holder = ${slot(({ holder }) => holder)}::text
      and token = ${slot(({ token }) => String(token))}::bigint
    returning token`,
  ([token]) => numberCell(token),
);
