import type { Issue, Journaled } from '@polyphase/core';
import { sql } from 'kysely';
import { defineStatement, type Statement, textCell } from '../statement.ts';

/** Reads the open entries of an entity, oldest first, at most 1,000. */
export const listJournal: Statement<string, Journaled> = defineStatement<string, Journaled>(
  (slot) => sql`
    select kind, entity, key, reason, issues, theirs, ours from polyphase.journal
    where entity = ${slot((entity) => entity)}::text and resolved_at is null
    order by number limit 1000`,
  ([kind, entity, key, reason, issues, theirs, ours]) => ({
    kind: kind === 'conflict' ? 'conflict' : 'dead-letter',
    entity: textCell(entity),
    key: textCell(key),
    reason: textCell(reason),
    // Written by `appendJournal` and nobody else.
    issues: JSON.parse(issues ?? '[]') as readonly Issue[],
    bodies: { theirs: theirs ?? undefined, ours: ours ?? undefined },
  }),
);
