import type { Journaled } from '@polyphase/core';
import { sql } from 'kysely';
import { arrayLiteral, defineStatement, noRow, type Statement } from '../statement.ts';

/** Which entries: of an entity, of a kind, of records with these key texts. */
export interface ResolveInput {
  readonly entity: string;
  readonly kind: Journaled['kind'];
  readonly keys: readonly string[];
}

/** Closes entries of keys. */
export const resolveJournal: Statement<ResolveInput, undefined> = defineStatement<ResolveInput, undefined>(
  (slot) => sql`
    update polyphase.journal set resolved_at = clock_timestamp()
    where entity = ${slot(({ entity }) => entity)}::text and resolved_at is null and kind = ${slot(({ kind }) => kind)}::text
      and key = any(${slot(({ keys }) => arrayLiteral(keys))}::text[])`,
  noRow,
);
