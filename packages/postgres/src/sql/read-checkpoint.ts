import type { Checkpoint } from '@polyphase/core';
import { sql } from 'kysely';
import { defineStatement, numberCell, type Statement, textCell } from '../statement.ts';

/** Reads a checkpoint. */
export const readCheckpoint: Statement<string, Checkpoint> = defineStatement<string, Checkpoint>(
  (slot) =>
    sql`select position, revision from polyphase.checkpoint where name = ${slot((name) => name)}::text`,
  ([position, revision]) => ({ position: textCell(position), revision: numberCell(revision) }),
);
