import type { EntityValue } from '@polyphase/core';
import { expectTypeOf } from 'vitest';
import type * as zodEntities from '../src/testing/entities.ts';
import type * as valibotEntities from './valibot-entities.ts';

type OfZod = typeof zodEntities;
type OfValibot = typeof valibotEntities;

// The suites are written against the types of zod's entities: Valibot's must be the same.
// zod names the type of any JSON otherwise.
expectTypeOf<Omit<EntityValue<OfValibot['Task']>, 'marks'>>().toEqualTypeOf<
  Omit<EntityValue<OfZod['Task']>, 'marks'>
>();
expectTypeOf<EntityValue<OfValibot['Reading']>>().toEqualTypeOf<EntityValue<OfZod['Reading']>>();
expectTypeOf<EntityValue<OfValibot['Member']>>().toEqualTypeOf<EntityValue<OfZod['Member']>>();
expectTypeOf<EntityValue<OfValibot['Handle']>>().toEqualTypeOf<EntityValue<OfZod['Handle']>>();
expectTypeOf<EntityValue<OfValibot['Movie']>>().toEqualTypeOf<EntityValue<OfZod['Movie']>>();
