import { sql } from 'kysely';
import type { BoundStatement } from '../batch.ts';
import { command, defineStatement, type Statement, textCell } from '../statement.ts';

/**
 * What stands between a client and the server: nothing; a pooler that keeps the names of prepared statements apart, as PgBouncer 1.21
 * and later do; or one that hands them through, so that clients meet each other's.
 */
export type Pooler = 'none' | 'keeps names' | 'forgets names';

/** A statement with a name, to be looked for under it in the same round trip. Where another client made it, parsing it is error 42P05. */
export const NAMED_PROBE: BoundStatement = command('select 1 as polyphase_probe');

/** Tells what stands in between, from the process number that the client was told, if any. */
export const findPooler: Statement<number | undefined, Pooler> = defineStatement<number | undefined, Pooler>(
  (slot) => sql`
    select case
      when pg_backend_pid() = ${slot((id) => (id === undefined ? null : String(id)))}::bigint then 'none'
      when exists (select from pg_prepared_statements where name = ${slot(() => NAMED_PROBE.name)}::text)
        then 'forgets names'
      else 'keeps names'
    end`,
  ([pooler]) => textCell(pooler) as Pooler,
);
