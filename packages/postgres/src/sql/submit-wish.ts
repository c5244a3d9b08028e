import type { ControlRow, Wish } from '@polyphase/core';
import { sql } from 'kysely';
import { defineStatement, type Statement } from '../statement.ts';
import { CONTROL_COLUMNS, controlRow, togetherCell } from './read-control.ts';

/** A wish and the group that it is for. */
export interface WishInput {
  readonly group: string;
  readonly wish: Wish;
}

/** Replaces the wish of a group by one of a higher revision, or by itself: the row, or none. */
export const submitWish: Statement<WishInput, ControlRow> = defineStatement<WishInput, ControlRow>((slot) => {
  const phase = sql`${slot(({ wish }) => wish.phase)}::text`;
  const flip = sql`${slot(({ wish }) => wish.flip)}::text`;
  const revision = sql`${slot(({ wish }) => String(wish.revision))}::bigint`;
  const together = sql`${slot(({ wish }) => togetherCell(wish))}::jsonb`;
  return sql`
    update polyphase.control
    set wish_phase = ${phase}, wish_flip = ${flip}, wish_revision = ${revision}, wish_together = ${together}
    where group_name = ${slot(({ group }) => group)}::text
      and (wish_revision < ${revision} or (
        (wish_revision, wish_phase, wish_flip) = (${revision}, ${phase}, ${flip}) and wish_together is not distinct from ${together}
      ))
    returning ${CONTROL_COLUMNS}`;
}, controlRow);
