import { type Kysely, sql } from 'kysely';
import type { Migration } from 'kysely/migration';

/**
 * The texts of dates and timestamps as functions that an index may hold: `to_char` is not immutable, because some of its formats
 * depend on the locale; these formats do not.
 */
export const nativeTexts: Migration = {
  async up(db: Kysely<unknown>): Promise<void> {
    for (const statement of STATEMENTS) await sql.raw(statement).execute(db);
  },
};

const STATEMENTS = [
  `create or replace function polyphase.timestamp_text(at timestamptz, digits int) returns text
    language sql immutable strict parallel safe as $$
      select pg_catalog.to_char(
        pg_catalog.timezone('UTC', at),
        case digits
          when 0 then 'YYYY-MM-DD"T"HH24:MI:SS"Z"'
          when 3 then 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'
          else 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'
        end
      )
    $$`,
  `create or replace function polyphase.date_text(at date) returns text
    language sql immutable strict parallel safe as $$
      select pg_catalog.to_char(at::timestamp, 'YYYY-MM-DD')
    $$`,
];
