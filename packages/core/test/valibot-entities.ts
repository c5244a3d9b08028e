// The entities of the contract suites with schemas of Valibot: the project "valibot" of vitest puts them in the place of those with
// zod, and runs the suites of every store again.
import { toStandardJsonSchema } from '@valibot/to-json-schema';
import * as v from 'valibot';
import { defineEntity, type Entity } from '../src/entity.ts';
import type { JsonValue } from '../src/json.ts';

export { task } from '../src/testing/entities.ts';

const json: v.GenericSchema<JsonValue> = v.lazy(() =>
  v.union([v.string(), v.number(), v.boolean(), v.null(), v.array(json), v.record(v.string(), json)]),
);
const text = v.string();
const number = v.number();

/** As `Task` of the suites. */
export const Task = defineEntity({
  name: 'contract_tasks',
  schema: toStandardJsonSchema(
    v.object({
      id: text,
      tenantId: text,
      title: v.optional(text),
      rank: v.optional(number),
      done: v.optional(v.boolean()),
      note: v.optional(v.nullable(text)),
      details: v.optional(
        v.object({
          size: v.optional(number),
          label: v.optional(text),
          place: v.optional(v.object({ city: v.optional(text), floor: v.optional(number) })),
        }),
      ),
      tags: v.optional(v.array(text)),
      marks: v.optional(v.record(text, json)),
    }),
  ),
  key: { partition: 'tenantId', id: 'id' },
  indexes: [{ fields: ['rank'] }, { fields: ['title'] }, { fields: ['done', 'rank'] }],
});

/** As `Reading` of the suites. */
export const Reading = defineEntity({
  name: 'contract_readings',
  schema: toStandardJsonSchema(
    v.object({
      id: text,
      site: text,
      sensor: v.object({ line: text }),
      year: number,
      value: v.optional(number),
    }),
  ),
  key: { partition: ['site', 'sensor.line', 'year'], id: 'id' },
});

/** As `Setting` of the suites. */
export const Setting = defineEntity({
  name: 'contract_settings',
  schema: toStandardJsonSchema(
    v.object({ id: text, scope: v.union([text, number, v.boolean(), v.null()]), value: v.optional(json) }),
  ),
  key: { partition: 'scope', id: 'id' },
});

/** As `Member` of the suites. */
export const Member = defineEntity({
  name: 'contract_members',
  schema: toStandardJsonSchema(v.object({ id: text, tenantId: text, email: text })),
  key: { partition: 'tenantId', id: 'id' },
  indexes: [{ fields: ['email'], unique: 'partition' }],
});

/** As `Handle` of the suites. */
export const Handle = defineEntity({
  name: 'contract_handles',
  schema: toStandardJsonSchema(v.object({ id: text, tenantId: text, handle: text })),
  key: { partition: 'tenantId', id: 'id' },
  indexes: [{ fields: ['handle'], unique: 'global' }],
});

/** As `Movie` of the suites. */
export const Movie = defineEntity({
  name: 'contract_movies',
  schema: toStandardJsonSchema(v.object({ id: text, genre: text, title: text, rating: v.optional(number) })),
  key: { partition: 'genre', id: 'id' },
  indexes: [{ fields: ['title'] }, { fields: ['rating'] }],
  loose: true,
});

/** As `Visit` of the suites. */
export const Visit = defineEntity({
  name: 'contract_visits',
  schema: toStandardJsonSchema(
    v.object({ id: text, tenantId: text, badge: v.optional(text), n: v.optional(number) }),
  ),
  key: { partition: 'tenantId', id: 'id' },
  indexes: [{ fields: ['badge'], unique: 'partition' }],
  ttl: null,
});

/** As `Ticket` of the suites. */
export const Ticket = defineEntity({
  name: 'contract_tickets',
  schema: toStandardJsonSchema(v.object({ id: text, tenantId: text, seat: v.optional(text) })),
  key: { partition: 'tenantId', id: 'id' },
  indexes: [{ fields: ['seat'], unique: 'global' }],
  ttl: '2m',
});

/** As `contractEntities` of the suites. */
export const contractEntities: readonly Entity[] = Object.freeze([
  Task,
  Reading,
  Setting,
  Member,
  Handle,
  Movie,
  Visit,
  Ticket,
]);
