import { sql } from 'kysely';
import { defineStatement, noRow, type Statement } from '../statement.ts';

/** Takes a process off the members of a group. */
export const leaveMember: Statement<{ readonly group: string; readonly holder: string }, undefined> =
  defineStatement<{ readonly group: string; readonly holder: string }, undefined>(
    (slot) => sql`
      delete from polyphase.member
      where group_name = ${slot(({ group }) => group)}::text and holder = ${slot(({ holder }) => holder)}::text`,
    noRow,
  );
