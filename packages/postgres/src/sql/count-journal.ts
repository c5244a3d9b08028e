import { sql } from 'kysely';
import { defineStatement, numberCell, type Statement } from '../statement.ts';

/** Numbers of open entries. */
export interface JournalCounts {
  readonly deadLetters: number;
  readonly conflicts: number;
}

/** Counts the open entries of an entity, by kind. */
export const countJournal: Statement<string, JournalCounts> = defineStatement<string, JournalCounts>(
  (slot) => sql`
    select count(*) filter (where kind = 'dead-letter'), count(*) filter (where kind = 'conflict')
    from polyphase.journal where entity = ${slot((entity) => entity)}::text and resolved_at is null`,
  ([deadLetters, conflicts]) => ({ deadLetters: numberCell(deadLetters), conflicts: numberCell(conflicts) }),
);
