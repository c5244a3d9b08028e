import type { Member, Phase } from '@polyphase/core';
import { sql } from 'kysely';
import { defineStatement, numberCell, type Statement, textCell } from '../statement.ts';

/** Lists the members of a group whose time is not over. */
export const listMembers: Statement<string, Member> = defineStatement<string, Member>(
  (slot) => sql`
    select holder, epoch, version, supports, ceil(extract(epoch from ends_at - clock_timestamp()) * 1000)
    from polyphase.member
    where group_name = ${slot((group) => group)}::text and ends_at > clock_timestamp()
    order by holder`,
  ([holder, epoch, version, supports, remaining]) => ({
    holder: textCell(holder),
    epoch: numberCell(epoch),
    version: textCell(version),
    // What processes of another version say of themselves: a name that is not known here is asked for by no gate.
    supports: textCell(supports).split(' ') as Phase[],
    remainingMs: numberCell(remaining),
  }),
);
