import { expectTypeOf } from 'vitest';
import type { Query, QueryPath, Where } from './query.ts';

interface Account {
  readonly id: string;
  readonly age: number;
  readonly active?: boolean;
  readonly email: string | null;
  readonly tags: readonly string[];
  readonly address?: {
    readonly city: string;
    readonly geo: { readonly lat: number; readonly deep: { readonly end: { readonly far: 1 } } };
  };
}

expectTypeOf<
  'id' | 'age' | 'address' | 'address.city' | 'address.geo.lat' | 'address.geo.deep.end'
>().toExtend<QueryPath<Account>>();
// Arrays are not entered, and nothing lies deeper than four names.
expectTypeOf<'tags.length'>().not.toExtend<QueryPath<Account>>();
expectTypeOf<'address.geo.deep.end.far'>().not.toExtend<QueryPath<Account>>();
expectTypeOf<'nowhere'>().not.toExtend<QueryPath<Account>>();

expectTypeOf<{ age: 18; email: null; active: true }>().toExtend<Where<Account>>();
expectTypeOf<{ age: { gte: 18; lt: 65 }; 'address.city': { startsWith: 'B' } }>().toExtend<Where<Account>>();
expectTypeOf<{ or: [{ age: 1 }, { not: { email: { exists: false } } }] }>().toExtend<Where<Account>>();
expectTypeOf<{ age: '18' }>().not.toExtend<Where<Account>>();
expectTypeOf<{ age: { in: ['1'] } }>().not.toExtend<Where<Account>>();
expectTypeOf<{ 'address.geo.lat': { gt: 'north' } }>().not.toExtend<Where<Account>>();

expectTypeOf<{ orderBy: [['age', 'desc']]; limit: 10 }>().toExtend<Query<Account>>();
// @ts-expect-error there is no such operator
export const operator: Where<Account> = { age: { near: 1 } };
// @ts-expect-error there is no such field
export const field: Where<Account> = { nowhere: 1 };
// @ts-expect-error a direction is asc or desc
export const direction: Query<Account> = { orderBy: [['age', 'up']] };
// @ts-expect-error orders name top-level fields
export const nested: Query<Account> = { orderBy: [['address.city', 'asc']] };
