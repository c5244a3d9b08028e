import type { LeaseHeld } from '@polyphase/core';
import { sql } from 'kysely';
import { defineStatement, numberCell, type Statement, textCell } from '../statement.ts';

/** A lease that somebody has, with its name. */
export interface NamedLease extends LeaseHeld {
  readonly name: string;
}

/** Reads the leases that somebody has and whose names start with a prefix, by name. */
export const listLeases: Statement<string, NamedLease> = defineStatement<string, NamedLease>(
  (slot) => sql`
    select name, holder, token, ceil(extract(epoch from ends_at - clock_timestamp()) * 1000)
    from polyphase.lease
    where starts_with(name, ${slot((prefix) => prefix)}::text)
      and holder is not null and ends_at > clock_timestamp()
    order by name`,
  ([name, holder, token, remaining]) => ({
    name: textCell(name),
    holder: textCell(holder),
    token: numberCell(token),
    // The clock moves between the condition and the answer.
    remainingMs: Math.max(0, numberCell(remaining)),
  }),
);
