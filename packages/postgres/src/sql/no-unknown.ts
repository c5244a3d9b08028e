import type { Shape } from '@polyphase/core';
import { type RawBuilder, sql } from 'kysely';
import type { Table } from '../table.ts';

/** Most objects that a condition looks into; a schema that holds itself has no end. */
const MOST_OBJECTS = 64;

/**
 * The condition that a row holds no field, at any depth, that its schema does not name: such fields belong to the record, and a
 * replace must read them first. Undefined where the schema is too deep to say it in SQL.
 */
export function noUnknown({ entity, columns }: Table): RawBuilder<unknown> | undefined {
  const left = { objects: MOST_OBJECTS };
  const conditions = [...entity.shape.fields].map(([name, shape]) => {
    const column = columns.find(({ field }) => field === name);
    if (column && column.type !== 'json') return undefined;
    return within(column ? sql.id(column.name) : sql`(hyb_rest -> ${sql.lit(name)})`, shape, left);
  });
  if (left.objects < 0) return undefined;
  const top = entity.shape.open === true ? [] : [onlyNamed(sql`hyb_rest`, entity.shape)];
  return sql.join([sql`true`, ...top, ...conditions.filter((it) => it !== undefined)], sql` and `);
}

function within(
  value: RawBuilder<unknown>,
  shape: Shape,
  left: { objects: number },
): RawBuilder<unknown> | undefined {
  if (shape.fields.size === 0) return undefined;
  left.objects -= 1;
  if (left.objects < 0) return undefined;
  const inside = [...shape.fields].map(([name, it]) => within(sql`(${value} -> ${sql.lit(name)})`, it, left));
  const here = shape.open === true ? [] : [onlyNamed(value, shape)];
  const all = sql.join([sql`true`, ...here, ...inside.filter((it) => it !== undefined)], sql` and `);
  // CASE and not OR: names cannot be taken from what is no object, and OR may look at either side first.
  return sql`case when jsonb_typeof(${value}) = 'object' then ${all} else true end`;
}

function onlyNamed(value: RawBuilder<unknown>, { fields }: Shape): RawBuilder<unknown> {
  const names = sql.join([...fields.keys()].map((name) => sql.lit(name)));
  return sql`${value} - array[${names}]::text[] = '{}'`;
}
