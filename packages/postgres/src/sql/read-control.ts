import type { ControlRow, Phase, Wish } from '@polyphase/core';
import { sql } from 'kysely';
import type { Cell } from '../driver.ts';
import { defineStatement, numberCell, type Statement, textCell } from '../statement.ts';

/** Columns of a control row, in the order that {@link controlRow} reads. */
export const CONTROL_COLUMNS = sql.raw(
  'group_name, epoch, phase, term, wish_phase, wish_flip, wish_revision, wish_together',
);

/** The control row of a row's cells. Phases are checked by the table. */
export function controlRow(cells: readonly Cell[]): ControlRow {
  const [group, epoch, phase, term, wishPhase, wishFlip, wishRevision, together] = cells;
  return {
    group: textCell(group),
    epoch: numberCell(epoch),
    phase: textCell(phase) as Phase,
    term: numberCell(term),
    wish: {
      phase: textCell(wishPhase) as ControlRow['wish']['phase'],
      flip: wishFlip === 'auto' ? 'auto' : 'manual',
      revision: numberCell(wishRevision),
      ...(together === null || together === undefined ? {} : { together: namesOf(together) }),
    },
  };
}

function namesOf(cell: string): readonly string[] {
  const names: unknown = JSON.parse(cell);
  return Array.isArray(names) ? names.map(String) : [];
}

/** The groups of a wish that move together, as a parameter of type `jsonb`. */
export function togetherCell({ together }: Wish): Cell {
  return together ? JSON.stringify(together) : null;
}

/** Reads the control row of a group. */
export const readControl: Statement<string, ControlRow> = defineStatement<string, ControlRow>(
  (slot) =>
    sql`select ${CONTROL_COLUMNS} from polyphase.control where group_name = ${slot((group) => group)}::text`,
  controlRow,
);
