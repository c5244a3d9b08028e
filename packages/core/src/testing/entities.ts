import { z } from 'zod';
import { defineEntity, type Entity } from '../entity.ts';
import type { JsonObject } from '../json.ts';

/** The plain entity of the contract suites: one text partition, indexes to sort by, nested fields. */
export const Task = defineEntity({
  name: 'contract_tasks',
  schema: z.object({
    id: z.string(),
    tenantId: z.string(),
    title: z.string().optional(),
    rank: z.number().optional(),
    done: z.boolean().optional(),
    note: z.string().nullable().optional(),
    details: z
      .object({
        size: z.number().optional(),
        label: z.string().optional(),
        place: z.object({ city: z.string().optional(), floor: z.number().optional() }).optional(),
      })
      .optional(),
    tags: z.array(z.string()).optional(),
    marks: z.record(z.string(), z.json()).optional(),
  }),
  key: { partition: 'tenantId', id: 'id' },
  indexes: [{ fields: ['rank'] }, { fields: ['title'] }, { fields: ['done', 'rank'] }],
});

/** A hierarchical partition key of three levels, one of them nested. */
export const Reading = defineEntity({
  name: 'contract_readings',
  schema: z.object({
    id: z.string(),
    site: z.string(),
    sensor: z.object({ line: z.string() }),
    year: z.number(),
    value: z.number().optional(),
  }),
  key: { partition: ['site', 'sensor.line', 'year'], id: 'id' },
});

/** A partition key of every scalar type. */
export const Setting = defineEntity({
  name: 'contract_settings',
  schema: z.object({
    id: z.string(),
    scope: z.union([z.string(), z.number(), z.boolean(), z.null()]),
    value: z.json().optional(),
  }),
  key: { partition: 'scope', id: 'id' },
});

/** Values that are unique inside their partition. */
export const Member = defineEntity({
  name: 'contract_members',
  schema: z.object({ id: z.string(), tenantId: z.string(), email: z.string() }),
  key: { partition: 'tenantId', id: 'id' },
  indexes: [{ fields: ['email'], unique: 'partition' }],
});

/** Values that are unique over all partitions, where the store can tell. */
export const Handle = defineEntity({
  name: 'contract_handles',
  schema: z.object({ id: z.string(), tenantId: z.string(), handle: z.string() }),
  key: { partition: 'tenantId', id: 'id' },
  indexes: [{ fields: ['handle'], unique: 'global' }],
});

/** Records that expire where they say so themselves, with a value that is free again then. */
export const Visit = defineEntity({
  name: 'contract_visits',
  schema: z.object({
    id: z.string(),
    tenantId: z.string(),
    badge: z.string().optional(),
    n: z.number().optional(),
  }),
  key: { partition: 'tenantId', id: 'id' },
  indexes: [{ fields: ['badge'], unique: 'partition' }],
  ttl: null,
});

/** Records that expire by themselves, two minutes after their last write unless they say otherwise. */
export const Ticket = defineEntity({
  name: 'contract_tickets',
  schema: z.object({ id: z.string(), tenantId: z.string(), seat: z.string().optional() }),
  key: { partition: 'tenantId', id: 'id' },
  indexes: [{ fields: ['seat'], unique: 'global' }],
  ttl: '2m',
});

/** A loose entity: what is stored may not fit its schema. */
export const Movie = defineEntity({
  name: 'contract_movies',
  schema: z.object({ id: z.string(), genre: z.string(), title: z.string(), rating: z.number().optional() }),
  key: { partition: 'genre', id: 'id' },
  indexes: [{ fields: ['title'] }, { fields: ['rating'] }],
  loose: true,
});

/** Every entity that the contract suites use. A subject's store is prepared for all of them. */
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

/** A task with the fields that every task must have. */
export function task(id: string, fields: JsonObject = {}): JsonObject {
  return { id, tenantId: 't1', ...fields };
}
