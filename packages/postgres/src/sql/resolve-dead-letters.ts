import { sql } from 'kysely';
import { arrayLiteral, defineStatement, noRow, type Statement } from '../statement.ts';

/** An entity, and the key texts of records. */
export interface ResolveInput {
  readonly entity: string;
  readonly keys: readonly string[];
}

/** Closes the dead letters of keys. */
export const resolveDeadLetters: Statement<ResolveInput, undefined> = defineStatement<
  ResolveInput,
  undefined
>(
  (slot) => sql`
    update polyphase.journal set resolved_at = clock_timestamp()
    where entity = ${slot(({ entity }) => entity)}::text and resolved_at is null and kind = 'dead-letter'
      and key = any(${slot(({ keys }) => arrayLiteral(keys))}::text[])`,
  noRow,
);
