import { expectTypeOf } from 'vitest';
import type { EntityPolicy, PolyphaseConfig } from './config.ts';

type Config = PolyphaseConfig<'accounts' | 'sessions'>;

export const config = {
  revision: 1,
  entities: {
    accounts: { policy: 'dual-write', reads: 'postgres', maxStaleness: '1s' },
    sessions: { policy: 'cached', ttl: '5m', over: { policy: 'postgres-primary', reverseSync: false } },
  },
} satisfies Config;

expectTypeOf(config).toExtend<Config>();
expectTypeOf<{
  policy: 'cached';
  ttl: 5;
  over: { policy: 'cached'; ttl: 5; over: { policy: 'cosmos-only' } };
}>().not.toExtend<EntityPolicy>();
expectTypeOf<{ policy: 'dual-write'; reads: 'shadow'; shadow: { sample: 0.5 } }>().toExtend<EntityPolicy>();
expectTypeOf<{
  policy: 'dual-write';
  reads: { postgres: { percent: 10; partitions: ['a', ['a', 1]] } };
}>().toExtend<EntityPolicy>();
expectTypeOf<{ policy: 'dual-write'; reads: { cosmos: { percent: 10 } } }>().not.toExtend<EntityPolicy>();
expectTypeOf<{ policy: 'dual-write'; reads: 'redis' }>().not.toExtend<EntityPolicy>();
expectTypeOf<{ policy: 'dual-write'; shadow: { sample: 'all' } }>().not.toExtend<EntityPolicy>();
expectTypeOf<{ policy: 'postgres-only' }>().not.toExtend<EntityPolicy>();
expectTypeOf<{ policy: 'cached'; over: { policy: 'cosmos-only' } }>().not.toExtend<EntityPolicy>();
expectTypeOf<{
  policy: 'cached';
  ttl: 'soon';
  over: { policy: 'cosmos-only' };
}>().not.toExtend<EntityPolicy>();
expectTypeOf<{ revision: 1; entities: { accounts: { policy: 'cosmos-only' } } }>().not.toExtend<Config>();

// @ts-expect-error an entity has no policy
export const missing: Config = { revision: 1, entities: { accounts: { policy: 'cosmos-only' } } };
export const unknown: Config = {
  revision: 1,
  entities: {
    accounts: { policy: 'cosmos-only' },
    sessions: { policy: 'cosmos-only' },
    // @ts-expect-error no such entity is registered
    orders: { policy: 'cosmos-only' },
  },
};
