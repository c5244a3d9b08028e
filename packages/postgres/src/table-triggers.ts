import { splitPath } from '@polyphase/core';
import { type RawBuilder, sql } from 'kysely';
import { groupLock } from './sql/share-group.ts';
import { type Table, tableName } from './table.ts';

/** A trigger that a table must have. */
export interface TableTrigger {
  readonly name: string;
  readonly create: RawBuilder<unknown>;
}

// What the SDK writes always brings a version with it, and what it updates always another one: its writes pass without a call.
const EVENTS = {
  hyb_raw_insert: sql`before insert`,
  hyb_raw_update: sql`before update`,
  hyb_raw_delete: sql`before delete`,
} as const;
const CONDITIONS = {
  hyb_raw_insert: sql`when (new.hyb_counter is null)`,
  hyb_raw_update: sql`when (old.hyb_counter = new.hyb_counter and old.hyb_term = new.hyb_term)`,
  hyb_raw_delete: sql``,
} as const;

/** The triggers that notice writes to an entity's table that did not come through the SDK. */
export function triggersOf(table: Omit<Table, 'layout'>): readonly TableTrigger[] {
  const { entity, idColumn } = table;
  const paths = JSON.stringify(entity.key.partition.map((path) => splitPath(path)));
  const words = [entity.name, groupLock(entity.name), entity.key.id, idColumn, paths].map((word) =>
    sql.lit(word),
  );
  return (['hyb_raw_insert', 'hyb_raw_update', 'hyb_raw_delete'] as const).map((name) => ({
    name,
    create: sql`
      create or replace trigger ${sql.id(name)} ${EVENTS[name]} on ${tableName(table)}
      for each row ${CONDITIONS[name]} execute function polyphase.raw_write(${sql.join(words)})`,
  }));
}
