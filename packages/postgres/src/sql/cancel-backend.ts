import { sql } from 'kysely';
import { defineStatement, noRow, type Statement } from '../statement.ts';

/** Asks a server process of the same user to stop what it is doing. */
export const cancelBackend: Statement<number, undefined> = defineStatement<number, undefined>(
  (slot) => sql`select pg_cancel_backend(${slot(String)}::int)`,
  noRow,
);
