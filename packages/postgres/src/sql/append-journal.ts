import { canonicalJson, type Journaled } from '@polyphase/core';
import { sql } from 'kysely';
import { arrayLiteral, defineStatement, noRow, type SlotMaker, type Statement } from '../statement.ts';

// A dead letter may hold what PostgreSQL's text cannot; here its label and reason need only be readable.
const plain = (text: string): string => text.replaceAll('\0', '\uFFFD').toWellFormed();

function identity({ kind, entity, key, bodies }: Journaled): string {
  return plain(canonicalJson([kind, entity, key, bodies.theirs ?? null, bodies.ours ?? null]));
}

/** Appends entries, each once, whether it comes twice in one call or again later; one that was closed opens again. */
export const appendJournal: Statement<readonly Journaled[], undefined> = defineStatement(
  (slot: SlotMaker<readonly Journaled[]>) => {
    const column = (read: (entry: Journaled) => string | null) =>
      sql`${slot((entries) => arrayLiteral(unique(entries).map(read)))}::text[]`;
    return sql`
      insert into polyphase.journal as j (digest, kind, entity, key, reason, issues, theirs, ours)
      select encode(sha256(convert_to(it, 'UTF8')), 'hex'), kind, entity, key, reason, issues, theirs, ours
      from unnest(
        ${column(identity)}, ${column((it) => it.kind)}, ${column((it) => it.entity)}, ${column((it) => plain(it.key))},
        ${column((it) => plain(it.reason))}, ${column((it) => plain(JSON.stringify(it.issues)))},
        ${column((it) => (it.bodies.theirs === undefined ? null : plain(it.bodies.theirs)))},
        ${column((it) => (it.bodies.ours === undefined ? null : plain(it.bodies.ours)))}
      ) with ordinality as entries (it, kind, entity, key, reason, issues, theirs, ours, n)
      order by n
      on conflict (digest) do update set resolved_at = null, number = default, appended_at = clock_timestamp()
        where j.resolved_at is not null`;
  },
  noRow,
);

function unique(entries: readonly Journaled[]): readonly Journaled[] {
  return [...new Map(entries.map((entry) => [identity(entry), entry])).values()];
}
