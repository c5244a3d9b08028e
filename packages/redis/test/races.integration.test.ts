import type { CacheService, RecordVersion } from '@polyphase/core';
import { startFaultProxy } from '@polyphase/test-support';
import { describeWith, testRedis } from '@polyphase/test-support/vitest';
import { Redis } from 'ioredis';
import { afterAll, expect, test, vi } from 'vitest';
import { redisStore } from '../src/index.ts';

const TTL_MS = 60_000;
const v = (counter: number, term = 1): RecordVersion => ({ term, counter });
const entry = (counter: number) => ({ version: v(counter), payload: `value ${counter}` });

// One test per race: each stops a reader or a writer at the step where a plain cache-aside goes wrong.
describeWith('redis')('the Redis cache', () => {
  const { url, prefix } = testRedis();
  const client = new Redis(url, { lazyConnect: true });
  afterAll(() => client.disconnect());
  const timeoutMs = 5_000; // these tests are about order, not about time
  const cache = redisStore({ client, prefix, timeoutMs }).cache('races');
  const brief = redisStore({ client, prefix, timeoutMs, leaseMs: 20, guardMs: 20 }).cache('races');
  let number = 0;
  const newKey = () => `key ${(number += 1)}`;
  const evict = (key: string) => client.unlink(`${prefix}races:${key}`);

  async function leased(from: CacheService, key: string): Promise<string> {
    const miss = await from.lease(key);
    expect(miss.kind).toBe('leased');
    return miss.kind === 'leased' ? miss.token : '';
  }

  async function leasedInTime(key: string): Promise<string> {
    return vi.waitUntil(async () => {
      const miss = await cache.lease(key);
      return miss.kind === 'leased' && miss.token;
    });
  }

  async function filled(key: string, counter: number): Promise<void> {
    expect(await cache.fill(key, await leased(cache, key), entry(counter), TTL_MS)).toBe(true);
  }

  test('a reader that was slow cannot fill after the invalidation', async () => {
    const key = newKey();
    const token = await leased(cache, key);
    await cache.invalidate(key, v(2));
    expect(await cache.fill(key, token, entry(1), TTL_MS)).toBe(false);
    expect(await cache.fill(key, token, entry(2), TTL_MS)).toBe(false);
    expect(await cache.get(key)).toBeUndefined();
    await filled(key, 2);
  });

  test('of two loaders one loads; the other is told to wait, then gets the entry', async () => {
    const key = newKey();
    const token = await leased(cache, key);
    const other = await cache.lease(key);
    expect(other.kind === 'busy' && other.waitMs > 0).toBe(true);
    await cache.fill(key, token, entry(1), TTL_MS);
    expect(await cache.lease(key)).toEqual({ kind: 'hit', entry: entry(1) });
  });

  test('a key that was evicted refuses the fill', async () => {
    const key = newKey();
    const token = await leased(cache, key);
    await evict(key);
    expect(await cache.fill(key, token, entry(1), TTL_MS)).toBe(false);
    expect(await cache.get(key)).toBeUndefined();
  });

  test('a loader from before an eviction cannot use the lease of a later one', async () => {
    const key = newKey();
    const early = await leased(cache, key);
    await cache.invalidate(key, v(2));
    await evict(key);
    const late = await leased(cache, key);
    expect(await cache.fill(key, early, entry(1), TTL_MS)).toBe(false);
    expect(await cache.fill(key, late, entry(2), TTL_MS)).toBe(true);
  });

  test('a lease that was lost cannot be used', async () => {
    const key = newKey();
    const lost = await leased(brief, key);
    const token = await leasedInTime(key);
    expect(await cache.fill(key, lost, entry(1), TTL_MS)).toBe(false);
    expect(await cache.fill(key, token, entry(1), TTL_MS)).toBe(true);
  });

  test('the fence outlives a lease that was lost', async () => {
    const key = newKey();
    await cache.invalidate(key, v(5));
    await leased(brief, key);
    const token = await leasedInTime(key);
    expect(await cache.fill(key, token, entry(4), TTL_MS)).toBe(false);
    await filled(key, 5);
  });

  test('a loader that read too old a version gives the lease back', async () => {
    const key = newKey();
    await cache.invalidate(key, v(5));
    expect(await cache.fill(key, await leased(cache, key), entry(4), TTL_MS)).toBe(false);
    await filled(key, 5);
  });

  test('a guard drops the entry and keeps every fill out until the invalidation', async () => {
    const key = newKey();
    await filled(key, 1);
    await cache.guard(key, 'w');
    expect(await cache.get(key)).toBeUndefined();
    expect(await cache.lease(key)).toEqual({ kind: 'busy', waitMs: 1 });
    await cache.invalidate(key, v(2), { writers: ['w'] });
    await filled(key, 2);
  });

  test('a load that was under way when the writer came cannot fill, before or after the commit', async () => {
    const key = newKey();
    const token = await leased(cache, key);
    await cache.guard(key, 'w');
    expect(await cache.fill(key, token, entry(1), TTL_MS)).toBe(false);
    await cache.invalidate(key, v(2), { writers: ['w'] });
    expect(await cache.fill(key, token, entry(1), TTL_MS)).toBe(false);
  });

  test('a writer that dies between guard and commit holds fills up for a bounded time', async () => {
    const key = newKey();
    await filled(key, 3);
    await brief.guard(key, 'w');
    expect(await cache.get(key)).toBeUndefined();
    const token = await leasedInTime(key);
    // what was live before stays the minimum
    expect(await cache.fill(key, token, entry(2), TTL_MS)).toBe(false);
    await filled(key, 3);
  });

  test('of two writers the first to finish does not end the guard of the other', async () => {
    const key = newKey();
    await cache.guard(key, 'a');
    await cache.guard(key, 'b');
    await cache.invalidate(key, v(1), { writers: ['a'] });
    expect((await cache.lease(key)).kind).toBe('busy');
    await cache.invalidate(key, v(2), { writers: ['b'] });
    expect(await cache.fill(key, await leased(cache, key), entry(1), TTL_MS)).toBe(false);
    await filled(key, 2);
  });

  test('a guard that the driver sent again ends with its writer, wherever the link broke', async () => {
    const proxy = await startFaultProxy(url);
    const cut = new Redis(proxy.through(url), { retryStrategy: () => 1 });
    const there = redisStore({ client: cut, prefix, timeoutMs }).cache('races');
    await there.get('first'); // and it is connected
    // The reply has four bytes, so that one of these points lies between what Redis did and what the driver heard of it.
    for (let cutAfterBytes = 100; cutAfterBytes < 320; cutAfterBytes += 3) {
      const key = newKey();
      await there.guard(`${key} before`, 'w');
      proxy.set({ cutAfterBytes });
      await there.guard(key, 'w');
      proxy.heal();
      await there.invalidate(key, v(1), { writers: ['w'] });
      expect(await cache.fill(key, await leased(cache, key), entry(1), TTL_MS)).toBe(true);
    }
    cut.disconnect();
    await proxy.close();
  });

  test('the guard of a writer that died ends in time though others come and go', async () => {
    const key = newKey();
    await brief.guard(key, 'died');
    await cache.guard(key, 'w');
    await cache.invalidate(key, v(1), { writers: ['w'] });
    expect(await cache.fill(key, await leasedInTime(key), entry(1), TTL_MS)).toBe(true);
  });

  test('two writers that finish in the other order leave the higher minimum', async () => {
    const key = newKey();
    await cache.invalidate(key, v(3));
    await cache.invalidate(key, v(2));
    expect(await cache.fill(key, await leased(cache, key), entry(2), TTL_MS)).toBe(false);
  });

  test('a writer that finishes late under its guard ends the guard and not the minimum', async () => {
    const key = newKey();
    await filled(key, 1);
    await cache.guard(key, 'a');
    await cache.guard(key, 'b');
    await cache.invalidate(key, v(3), { writers: ['b'] });
    await cache.invalidate(key, v(2), { writers: ['a'] });
    expect(await cache.fill(key, await leased(cache, key), entry(2), TTL_MS)).toBe(false);
    await filled(key, 3);
  });

  test('a guard that is given up without a write leaves the minimum of what was live', async () => {
    const key = newKey();
    await filled(key, 3);
    await cache.guard(key, 'w');
    await cache.invalidate(key, { term: 0, counter: 0 }, { writers: ['w'] });
    expect(await cache.fill(key, await leased(cache, key), entry(2), TTL_MS)).toBe(false);
    await filled(key, 3);
  });

  test('an invalidation that is repeated late drops the entry and not the minimum', async () => {
    const key = newKey();
    await filled(key, 3);
    await cache.invalidate(key, v(2));
    expect(await cache.get(key)).toBeUndefined();
    expect(await cache.fill(key, await leased(cache, key), entry(2), TTL_MS)).toBe(false);
    await filled(key, 3);
  });

  test('compares terms before counters, and counters to the last unit', async () => {
    const key = newKey();
    const top = Number.MAX_SAFE_INTEGER;
    await cache.invalidate(key, v(top, 2));
    const fill = async (version: RecordVersion) =>
      cache.fill(key, await leased(cache, key), { version, payload: 'x' }, TTL_MS);
    expect(await fill(v(top, 1))).toBe(false);
    expect(await fill(v(top - 1, 2))).toBe(false);
    expect(await fill(v(1, 10))).toBe(true);
    expect((await cache.get(key))?.version).toEqual(v(1, 10));
  });

  test('keeps absence apart from text, and any text exactly', async () => {
    for (const payload of [undefined, '', '|:V', 'é\u{1f600}\n', 'x'.repeat(100_000)]) {
      const key = newKey();
      await cache.fill(key, await leased(cache, key), { version: v(7), payload }, TTL_MS);
      expect(await cache.get(key)).toEqual({ version: v(7), payload });
      expect(await cache.lease(key)).toEqual({ kind: 'hit', entry: { version: v(7), payload } });
    }
  });

  test('an entry lives at most as long as was asked, and not all of them equally long', async () => {
    const lives = await Promise.all(
      Array.from({ length: 20 }, async () => {
        const key = newKey();
        await filled(key, 1);
        return client.pttl(`${prefix}races:${key}`);
      }),
    );
    expect(Math.max(...lives)).toBeLessThanOrEqual(TTL_MS);
    expect(Math.min(...lives)).toBeGreaterThan(TTL_MS * 0.8);
    expect(Math.max(...lives) - Math.min(...lives)).toBeGreaterThan(TTL_MS * 0.01);
  });

  test('goes on when Redis forgot the scripts', async () => {
    const key = newKey();
    await filled(key, 1);
    await client.script('FLUSH');
    await cache.guard(key, 'w');
    await client.script('FLUSH');
    await cache.invalidate(key, v(2), { writers: ['w'] });
    await client.script('FLUSH');
    await filled(key, 2);
    expect(await cache.get(key)).toEqual(entry(2));
  });

  test('tells that a key holds something foreign', async () => {
    const key = newKey();
    await client.hset(`${prefix}races:${key}`, 'a', '1');
    await expect(cache.get(key)).rejects.toMatchObject({ code: 'store' });
    await expect(cache.lease(key)).rejects.toMatchObject({ code: 'store' });
    await client.set(`${prefix}races:${key}`, 'Very foreign');
    await expect(cache.get(key)).rejects.toMatchObject({ code: 'store' });
  });

  test('namespaces do not share keys', async () => {
    const key = newKey();
    await filled(key, 1);
    expect(await redisStore({ client, prefix }).cache('other').get(key)).toBeUndefined();
  });
});
