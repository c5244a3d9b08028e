import { InvalidOptionsError } from '@polyphase/core';
import { Redis } from 'ioredis';
import { afterEach, expect, test } from 'vitest';
import { redisStore } from './redis-store.ts';

const client = new Redis({ lazyConnect: true });
afterEach(() => client.removeAllListeners());

test('lists every option that is wrong', () => {
  const wrong = {
    client: Object.assign(Object.create(null), { get: () => Promise.resolve(null) }),
    timeoutMs: 0,
    leaseMs: 1.5,
    guardMs: Number.NaN,
    pauseMs: 86_400_001,
  };
  let problems: readonly string[] = [];
  try {
    redisStore(wrong);
  } catch (error) {
    problems = InvalidOptionsError.isInstance(error) ? error.problems : [];
  }
  expect(problems.map((problem) => problem.split(':')[0])).toEqual([
    'client',
    'timeoutMs',
    'leaseMs',
    'guardMs',
    'pauseMs',
  ]);
});

test('listens once to the errors of a client, however many stores share it', () => {
  const shared = new Redis({ lazyConnect: true });
  for (let store = 0; store < 20; store += 1) redisStore({ client: shared });
  expect(shared.listenerCount('error')).toBe(1);
});
