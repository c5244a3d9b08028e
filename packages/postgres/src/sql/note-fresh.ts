import { sql } from 'kysely';
import { defineStatement, noRow, type Statement } from '../statement.ts';

/** Notes the date of the server at which the rows of a group are known to have been fresh, in milliseconds. */
export const noteFresh: Statement<{ readonly group: string; readonly atMs: number }, undefined> =
  defineStatement<{ readonly group: string; readonly atMs: number }, undefined>(
    (slot) => sql`
      insert into polyphase.freshness (group_name, fresh_at_ms)
      values (${slot(({ group }) => group)}::text, ${slot(({ atMs }) => String(atMs))}::double precision)
      on conflict (group_name) do update set fresh_at_ms = excluded.fresh_at_ms`,
    noRow,
  );
