import { sql } from 'kysely';
import { defineStatement, type Statement, textCell } from '../statement.ts';

/** Names of the SDK's own tables, functions and later columns that are missing. */
export const readSdkTables: Statement<undefined, string> = defineStatement<undefined, string>(
  () => sql`
    select name
    from unnest(array['entity_table', 'control', 'lease', 'checkpoint', 'dirty_key', 'journal', 'config', 'member', 'freshness', 'shadow_tally']) as wanted (name)
    where to_regclass('polyphase.' || name) is null
    union all
    select name from unnest(array['timestamp_text(timestamptz, int)', 'date_text(date)', 'raw_write()']) as wanted (name)
    where to_regprocedure('polyphase.' || name) is null
    union all
    select name from unnest(array['control.wish_together', 'member.supports', 'lease.duration_ms']) as wanted (name)
    where not exists (
      select from pg_attribute
      where attrelid = to_regclass('polyphase.' || split_part(name, '.', 1)) and attname = split_part(name, '.', 2)
    )`,
  ([name]) => textCell(name),
);
