import type { CacheService, RecordVersion } from '@polyphase/core';
import { bindContract, cacheCases } from '@polyphase/core/testing';
import { type RedisSentinel, startRedisSentinel } from '@polyphase/test-support';
import { describeWith } from '@polyphase/test-support/vitest';
import { Redis } from 'ioredis';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { redisStore } from '../src/index.ts';
import { unlinkAll } from './unlink-all.ts';

const TTL_MS = 60_000;
const PATIENCE = { timeout: 20_000, interval: 20 };
const v = (counter: number): RecordVersion => ({ term: 1, counter });
const entry = (counter: number) => ({ version: v(counter), payload: `value ${counter}` });

describeWith('redis')('a Redis under sentinels', () => {
  let servers: RedisSentinel;
  let client: Redis;
  let cache: CacheService;
  let number = 0;

  beforeAll(async () => {
    servers = await startRedisSentinel();
    client = new Redis({ ...servers.options, failoverDetector: true });
    cache = redisStore({ client, timeoutMs: 15_000 }).cache('sentinel');
  }, 30_000);
  afterAll(async () => {
    client?.disconnect();
    await servers?.stop();
  });

  async function leased(key: string): Promise<string> {
    const miss = await cache.lease(key);
    expect(miss.kind).toBe('leased');
    return miss.kind === 'leased' ? miss.token : '';
  }

  bindContract(cacheCases, {
    capabilities: ['flush'],
    it: test,
    subject: async () => {
      const prefix = `contract ${(number += 1)}:`;
      return {
        store: redisStore({ client, prefix, timeoutMs: 10_000 }),
        flush: () => unlinkAll([client], prefix),
      };
    },
  });

  test('a server that became a replica under its clients fails as retryable', async () => {
    const { host, port } = servers.replica;
    const demoted = new Redis(port, host);
    const there = redisStore({ client: demoted, timeoutMs: 10_000 }).cache('sentinel');
    for (const call of [
      () => there.lease('demoted'),
      () => there.guard('demoted', 'w'),
      () => there.invalidate('demoted', v(1)),
    ])
      await expect(call()).rejects.toMatchObject({ code: 'connection', retryable: true });
    demoted.disconnect();
  });

  test('a client that reads from the replica is refused', () => {
    const reader = new Redis({ ...servers.options, role: 'slave', lazyConnect: true });
    expect(() => redisStore({ client: reader })).toThrow(/must not read from replicas/);
    reader.disconnect();
  });

  test('the replica goes on when the master dies, with what had reached it; meanwhile calls fail as retryable, in time', async () => {
    const { master, replica } = servers;
    await cache.invalidate('a', v(3));
    expect(await cache.fill('a', await leased('a'), entry(3), TTL_MS)).toBe(true);
    const token = await leased('b');
    const name = 'polyphase:sentinel:b';
    await vi.waitUntil(
      async () => (await replica.direct.get(name)) === (await master.direct.get(name)),
      PATIENCE,
    );
    const timeoutMs = 100;
    const hasty = redisStore({ client, timeoutMs }).cache('sentinel');
    await master.kill();
    const failures: unknown[] = [];
    await vi.waitUntil(async () => {
      const started = performance.now();
      const failure = await hasty.invalidate('b', v(4)).then(
        () => undefined,
        (error: unknown) => error,
      );
      if (failure === undefined) return true;
      failures.push(failure);
      expect(failure).toMatchObject({ retryable: true });
      expect(performance.now() - started).toBeLessThan(10 * timeoutMs);
      return false;
    }, PATIENCE);
    expect(failures.length).toBeGreaterThan(0);
    expect(await replica.direct.info('replication')).toContain('role:master');
    expect(await cache.get('a')).toEqual(entry(3));
    expect(await cache.fill('b', token, entry(4), TTL_MS)).toBe(false);
    expect(await cache.fill('b', await leased('b'), entry(3), TTL_MS)).toBe(false);
    expect(await cache.fill('b', await leased('b'), entry(4), TTL_MS)).toBe(true);
    expect(await cache.get('b')).toEqual(entry(4));
  });
});
