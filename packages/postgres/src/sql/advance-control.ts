import type { ControlChange, ControlRow } from '@polyphase/core';
import { sql } from 'kysely';
import { defineStatement, type Statement } from '../statement.ts';
import { CONTROL_COLUMNS, controlRow } from './read-control.ts';

/** A step of a control row, and the epoch at which it is allowed. */
export interface AdvanceInput extends ControlChange {
  readonly group: string;
  readonly epoch: number;
  readonly whenMended: boolean;
}

/** Moves a control row by compare-and-set on its epoch: the row, or none. */
export const advanceControl: Statement<AdvanceInput, ControlRow> = defineStatement<AdvanceInput, ControlRow>(
  (slot) => sql`
    update polyphase.control
    set phase = ${slot(({ phase }) => phase)}::text, term = ${slot(({ term }) => String(term))}::int, epoch = epoch + 1
    where group_name = ${slot(({ group }) => group)}::text and epoch = ${slot(({ epoch }) => String(epoch))}::bigint
      and (not ${slot(({ whenMended }) => String(whenMended))}::boolean or not exists (
        select from polyphase.journal where entity = group_name and kind = 'dead-letter' and resolved_at is null
      ))
    returning ${CONTROL_COLUMNS}`,
  controlRow,
);
