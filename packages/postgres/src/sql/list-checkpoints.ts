import type { Checkpoint } from '@polyphase/core';
import { sql } from 'kysely';
import { defineStatement, numberCell, type Statement, textCell } from '../statement.ts';

/** A checkpoint with its name. */
export interface NamedCheckpoint extends Checkpoint {
  readonly name: string;
}

/** Reads the checkpoints whose names start with a prefix, by name. */
export const listCheckpoints: Statement<string, NamedCheckpoint> = defineStatement<string, NamedCheckpoint>(
  (slot) => sql`
    select name, position, revision from polyphase.checkpoint
    where starts_with(name, ${slot((prefix) => prefix)}::text) order by name`,
  ([name, position, revision]) => ({
    name: textCell(name),
    position: textCell(position),
    revision: numberCell(revision),
  }),
);
