import type { Cluster, Redis } from 'ioredis';
import { expectTypeOf, test } from 'vitest';
import type { RedisClient } from './redis-link.ts';
import type { RedisStoreOptions } from './redis-store.ts';

test('an ioredis client is what the store takes', () => {
  expectTypeOf<Redis>().toExtend<RedisClient>();
  expectTypeOf<Cluster>().toExtend<RedisClient>();
  expectTypeOf<Redis>().toExtend<RedisStoreOptions['client']>();
  expectTypeOf<Cluster>().toExtend<RedisStoreOptions['client']>();
});
