import { sql } from 'kysely';
import { defineStatement, type Statement, textCell } from '../statement.ts';

/** Names of the SDK's own tables and functions that are missing. */
export const readSdkTables: Statement<undefined, string> = defineStatement<undefined, string>(
  () => sql`
    select name
    from unnest(array['entity_table', 'control', 'lease', 'checkpoint', 'dirty_key', 'journal', 'config', 'member', 'freshness', 'shadow_tally']) as wanted (name)
    where to_regclass('polyphase.' || name) is null
    union all
    select name from unnest(array['timestamp_text(timestamptz, int)', 'date_text(date)', 'raw_write()']) as wanted (name)
    where to_regprocedure('polyphase.' || name) is null`,
  ([name]) => textCell(name),
);
