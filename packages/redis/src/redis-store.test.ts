import { InvalidOptionsError } from '@polyphase/core';
import { Cluster, Redis } from 'ioredis';
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

const sentinels = [{ host: '127.0.0.1', port: 1 }];

test.each([
  ['a cluster that scales reads', () => new Cluster(sentinels, { lazyConnect: true, scaleReads: 'slave' })],
  ['a cluster that reads from all', () => new Cluster(sentinels, { lazyConnect: true, scaleReads: 'all' })],
  ['a replica of sentinels', () => new Redis({ lazyConnect: true, sentinels, name: 'cache', role: 'slave' })],
  ['a read-only connection', () => new Redis({ lazyConnect: true, readOnly: true })],
])('refuses %s: replicas lag', (_, connect) => {
  const reader = connect();
  expect(() => redisStore({ client: reader })).toThrow(/must not read from replicas/);
  reader.disconnect();
});

test('takes clients of masters: of one server, of sentinels, of a cluster', () => {
  const clients = [
    new Redis({ lazyConnect: true }),
    new Redis({ lazyConnect: true, sentinels, name: 'cache' }),
    new Cluster(sentinels, { lazyConnect: true }),
  ];
  for (const it of clients) expect(redisStore({ client: it }).kind).toBe('cache');
});
