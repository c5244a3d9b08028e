import { sql } from 'kysely';
import { defineStatement, numberCell, type Statement, textCell } from '../statement.ts';

/** Settings of server, database and session that decide whether values come back as they were. */
export interface Settings {
  readonly version: number;
  readonly encoding: string;
  readonly floatDigits: number;
}

/** Reads the settings. */
export const readSettings: Statement<undefined, Settings> = defineStatement<undefined, Settings>(
  () => sql`
    select current_setting('server_version_num'), current_setting('server_encoding'), current_setting('extra_float_digits')`,
  ([version, encoding, floatDigits]) => ({
    version: numberCell(version),
    encoding: textCell(encoding),
    floatDigits: numberCell(floatDigits),
  }),
);
