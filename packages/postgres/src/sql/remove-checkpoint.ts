import { sql } from 'kysely';
import { defineStatement, noRow, type Statement } from '../statement.ts';

/** Removes a checkpoint. */
export const removeCheckpoint: Statement<string, undefined> = defineStatement<string, undefined>(
  (slot) => sql`delete from polyphase.checkpoint where name = ${slot((name) => name)}::text`,
  noRow,
);
