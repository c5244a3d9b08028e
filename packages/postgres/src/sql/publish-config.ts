import { sql } from 'kysely';
import { defineStatement, type Statement, textCell } from '../statement.ts';

/** A config and the name that it is kept under. */
export interface PublishInput {
  readonly name: string;
  /** The config as JSON text. */
  readonly config: string;
}

/**
 * Puts a config there unless one of a higher revision is, or of the same that says something else: its name, or no row. What is there
 * without a revision that is a number is no config, and gives way.
 */
export const publishConfig: Statement<PublishInput, string> = defineStatement<PublishInput, string>(
  (slot) => sql`
    insert into polyphase.config as there (name, config)
    values (${slot(({ name }) => name)}::text, ${slot(({ config }) => config)}::jsonb)
    on conflict (name) do update set config = excluded.config, changed_at = clock_timestamp()
    where there.config = excluded.config
      or case jsonb_typeof(there.config -> 'revision')
           when 'number' then (there.config ->> 'revision')::numeric < (excluded.config ->> 'revision')::numeric
           else true
         end
    returning name`,
  ([name]) => textCell(name),
);
