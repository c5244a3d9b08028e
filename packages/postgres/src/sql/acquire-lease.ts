import { sql } from 'kysely';
import { defineStatement, numberCell, type Statement } from '../statement.ts';

/** Who wants which lease, and for how long. */
export interface AcquireInput {
  readonly name: string;
  readonly holder: string;
  readonly durationMs: number;
}

/**
 * Takes a lease that is free, expired or one's own: its token, or no row. The token rises with each change of holder.
 *
 * One that would last twice as long as its holder asked for was granted before the server's clock was set back: nobody need wait for it.
 * Should its holder be alive, its token says that it has lost it.
 */
export const acquireLease: Statement<AcquireInput, number> = defineStatement<AcquireInput, number>(
  (slot) => sql`
    insert into polyphase.lease as l (name, holder, token, ends_at, duration_ms)
    values (
      ${slot(({ name }) => name)}::text, ${slot(({ holder }) => holder)}::text, 1,
      clock_timestamp() + ${slot(({ durationMs }) => String(durationMs))}::double precision * interval '1 millisecond',
      ${slot(({ durationMs }) => String(durationMs))}::double precision
    )
    on conflict (name) do update set
      holder = excluded.holder,
      token = case when l.holder = excluded.holder then l.token else l.token + 1 end,
      ends_at = excluded.ends_at,
      duration_ms = excluded.duration_ms
    where l.holder is null or l.holder = excluded.holder or l.ends_at <= clock_timestamp()
      or l.ends_at > clock_timestamp() + 2 * l.duration_ms * interval '1 millisecond'
    returning token`,
  ([token]) => numberCell(token),
);
