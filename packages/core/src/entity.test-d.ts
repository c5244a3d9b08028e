import { expectTypeOf } from 'vitest';
import { z } from 'zod';
import { defineEntity, type Entity, type EntityKey, type EntityValue } from './entity.ts';
import type { Patch, Repository, Stored } from './repository.ts';
import type { StoreRepository } from './store-repository.ts';

const schema = z.object({
  id: z.string(),
  tenantId: z.string(),
  year: z.number(),
  sensor: z.object({ line: z.string() }),
  tags: z.array(z.string()).optional(),
  note: z.object({ text: z.string(), lines: z.number().optional() }).nullable().optional(),
});

const Plain = defineEntity({ name: 'plain', schema, key: { partition: 'tenantId', id: 'id' } });
const Deep = defineEntity({
  name: 'deep',
  schema,
  key: { partition: ['tenantId', 'sensor.line', 'year'], id: 'id' },
});

expectTypeOf(Plain.name).toEqualTypeOf<'plain'>();
expectTypeOf<EntityValue<typeof Plain>>().toEqualTypeOf<z.infer<typeof schema>>();
expectTypeOf<EntityKey<typeof Plain>>().toEqualTypeOf<{ readonly tenantId: string; readonly id: string }>();
expectTypeOf<EntityKey<typeof Deep>>().toEqualTypeOf<{
  readonly tenantId: string;
  readonly 'sensor.line': string;
  readonly year: number;
  readonly id: string;
}>();
// Every entity is an entity: collections of them need no casts.
expectTypeOf<typeof Plain>().toExtend<Entity>();
expectTypeOf<typeof Deep>().toExtend<Entity>();

type Value = EntityValue<typeof Plain>;
expectTypeOf<StoreRepository<typeof Plain>>().toExtend<Repository<Value, EntityKey<typeof Plain>>>();
type Got = Awaited<ReturnType<StoreRepository<typeof Plain>['get']>>;
expectTypeOf<Got>().toExtend<Stored<Value> | undefined>();
expectTypeOf<NonNullable<Got>['value']['year']>().toEqualTypeOf<number>();

// A patch may remove with null, reaches inside objects, and replaces arrays whole.
expectTypeOf<{ year: 1; tags: null; note: { text: 'x' } }>().toExtend<Patch<Value>>();
expectTypeOf<{ note: { lines: null } }>().toExtend<Patch<Value>>();
expectTypeOf<{ tags: ['a'] }>().toExtend<Patch<Value>>();
expectTypeOf<{ tags: [null] }>().not.toExtend<Patch<Value>>();
expectTypeOf<{ year: '1' }>().not.toExtend<Patch<Value>>();

declare const plain: StoreRepository<typeof Plain>;
declare const value: Value;
void plain.get({ tenantId: 't', id: 'a' });
// @ts-expect-error the partition is missing
void plain.get({ id: 'a' });
// @ts-expect-error the id is text
void plain.get({ tenantId: 't', id: 1 });
// @ts-expect-error a required field is missing
void plain.create({ id: 'a', tenantId: 't' });
void plain.create({ ...value, year: 1 });
// @ts-expect-error a version is what the SDK gave out, not any text
void plain.replace(value, { ifVersion: '1.2' });
// @ts-expect-error a schema of text is no entity
defineEntity({ name: 'text', schema: z.string(), key: { partition: 'id', id: 'id' } });
