import type { ControlRow } from '@polyphase/core';
import { sql } from 'kysely';
import { defineStatement, type Statement } from '../statement.ts';
import { CONTROL_COLUMNS, controlRow, togetherCell } from './read-control.ts';

/** Makes the control row of a group unless there is one. */
export const createControl: Statement<ControlRow, ControlRow> = defineStatement<ControlRow, ControlRow>(
  (slot) => sql`
    insert into polyphase.control (${CONTROL_COLUMNS})
    values (
      ${slot((row) => row.group)}::text, ${slot((row) => String(row.epoch))}::bigint, ${slot((row) => row.phase)}::text,
      ${slot((row) => String(row.term))}::int, ${slot((row) => row.wish.phase)}::text,
      ${slot((row) => row.wish.flip)}::text, ${slot((row) => String(row.wish.revision))}::bigint,
      ${slot((row) => togetherCell(row.wish))}::jsonb
    )
    on conflict (group_name) do nothing
    returning ${CONTROL_COLUMNS}`,
  controlRow,
);
