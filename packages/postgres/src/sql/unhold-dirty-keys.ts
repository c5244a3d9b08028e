import { sql } from 'kysely';
import { defineStatement, noRow, type Statement } from '../statement.ts';
import { copiedKeys, type DirtyKeysInput } from './remove-dirty-keys.ts';

/** Lets go of entries. */
export const unholdDirtyKeys: Statement<DirtyKeysInput, undefined> = defineStatement<
  DirtyKeysInput,
  undefined
>(
  (slot) => sql`
    update polyphase.dirty_key as d set held_until = null from ${copiedKeys(slot)}
    where d.entity = ${slot(({ entity }) => entity)}::text and d.hyb_pk = copied.pk and d.id = copied.id`,
  noRow,
);
