import type { CheckpointAdvance } from '@polyphase/core';
import { type RawBuilder, sql } from 'kysely';
import { defineStatement, numberCell, type SlotMaker, type Statement } from '../statement.ts';

// The lease stays what it is until the transaction ends: whoever wants to take it over waits for the row.
const held = (slot: SlotMaker<CheckpointAdvance>): RawBuilder<unknown> => sql`
  select 1 from polyphase.lease
  where name = ${slot(({ lease }) => lease?.name ?? null)}::text
    and token = ${slot(({ lease }) => (lease ? String(lease.token) : null))}::bigint
    and holder is not null
  for share`;

function advance(first: boolean, leased: boolean): Statement<CheckpointAdvance, number> {
  return defineStatement<CheckpointAdvance, number>(
    (slot) => {
      const lease = leased ? sql`with held as materialized (${held(slot)})` : sql``;
      const guard = leased ? sql`exists (select 1 from held)` : sql`true`;
      const name = slot((step) => step.name);
      const position = slot((step) => step.position);
      return first
        ? sql`
            ${lease}
            insert into polyphase.checkpoint (name, position, revision)
            select ${name}::text, ${position}::text, 1 where ${guard}
            on conflict (name) do nothing
            returning revision`
        : sql`
            ${lease}
            update polyphase.checkpoint set position = ${position}::text, revision = revision + 1
            where name = ${name}::text and revision = ${slot((step) => String(step.expected))}::bigint and ${guard}
            returning revision`;
    },
    ([revision]) => numberCell(revision),
  );
}

const STATEMENTS = {
  first: { leased: advance(true, true), free: advance(true, false) },
  next: { leased: advance(false, true), free: advance(false, false) },
} as const;

/** Moves a checkpoint if it is where it is expected and the lease is held: one row with the new revision, or none. */
export function advanceCheckpoint(step: CheckpointAdvance): Statement<CheckpointAdvance, number> {
  return STATEMENTS[step.expected === 0 ? 'first' : 'next'][step.lease ? 'leased' : 'free'];
}
