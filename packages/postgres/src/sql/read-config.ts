import { sql } from 'kysely';
import { defineStatement, type Statement, textCell } from '../statement.ts';

/** Reads the JSON text of the config of a name. */
export const readConfig: Statement<string, string> = defineStatement<string, string>(
  (slot) => sql`select config::text from polyphase.config where name = ${slot((name) => name)}::text`,
  ([text]) => textCell(text),
);
