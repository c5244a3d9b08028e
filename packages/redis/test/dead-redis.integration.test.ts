import type { Clock } from '@polyphase/core';
import { type FaultProxy, startFaultProxy } from '@polyphase/test-support';
import { describeWith, testRedis } from '@polyphase/test-support/vitest';
import { Redis } from 'ioredis';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { redisStore } from '../src/index.ts';

const TIMEOUT_MS = 150;
// ioredis on its own holds a call for more than 8 s; the rest is room for a busy machine.
const AT_MOST_MS = 2_000;
const PAUSE_MS = 1_000;

describeWith('redis')('a Redis that does not answer', () => {
  const { url, prefix } = testRedis();
  let proxy: FaultProxy;
  let client: Redis;
  let now = 0;
  const clock: Clock = { now: () => now, monotonic: () => now, sleep: () => Promise.resolve() };

  beforeEach(async () => {
    proxy = await startFaultProxy(url);
    client = new Redis(proxy.through(url));
    await client.ping();
  });
  afterEach(() => client.disconnect());
  afterEach(() => proxy.close());

  const newCache = (timeoutMs = TIMEOUT_MS) =>
    redisStore({ client, prefix, timeoutMs, pauseMs: PAUSE_MS, clock }).cache('dead');

  async function timed(call: () => Promise<unknown>): Promise<{ code: unknown; ms: number }> {
    const started = performance.now();
    try {
      await call();
      return { code: undefined, ms: performance.now() - started };
    } catch (error) {
      const code = typeof error === 'object' && error !== null && 'code' in error ? error.code : error;
      return { code, ms: performance.now() - started };
    }
  }

  test('every call ends with a TimeoutError in time while nothing comes through', async () => {
    proxy.freeze();
    const version = { term: 1, counter: 1 };
    const calls = [
      () => newCache().get('a'),
      () => newCache().lease('a'),
      () => newCache().fill('a', 'token', { version, payload: 'x' }, 1_000),
      () => newCache().guard('a', 'w'),
      () => newCache().invalidate('a', version),
    ];
    for (const { code, ms } of await Promise.all(calls.map(timed))) {
      expect(code).toBe('timeout');
      expect(ms).toBeGreaterThanOrEqual(TIMEOUT_MS - 5);
      expect(ms).toBeLessThan(AT_MOST_MS);
    }
  });

  test('a connection that is refused ends in time, with nothing thrown at the process', async () => {
    proxy.refuse();
    const { code, ms } = await timed(() => newCache().get('a'));
    expect(['timeout', 'connection']).toContain(code);
    expect(ms).toBeLessThan(AT_MOST_MS);
  });

  test('after three failures calls fail at once, invalidations are tried, and a probe finds Redis back', async () => {
    const cache = newCache();
    proxy.freeze();
    for (let call = 0; call < 3; call += 1) expect((await timed(() => cache.get('a'))).code).toBe('timeout');
    expect((await timed(() => cache.get('a'))).code).toBe('connection');
    expect((await timed(() => cache.guard('a', 'w'))).code).toBe('connection');
    expect((await timed(() => cache.invalidate('a', { term: 1, counter: 1 }))).code).toBe('timeout');
    proxy.heal();
    await client.ping();
    expect((await timed(() => cache.get('a'))).code).toBe('connection');
    now += PAUSE_MS;
    expect(await cache.get('a')).toBeUndefined();
    expect(await cache.get('a')).toBeUndefined();
  });

  test('an invalidation that gets through ends the pause', async () => {
    const cache = newCache();
    proxy.freeze();
    for (let call = 0; call < 3; call += 1) await timed(() => cache.get('a'));
    proxy.heal();
    await client.ping();
    await cache.invalidate('a', { term: 1, counter: 1 });
    expect(await cache.get('a')).toBeUndefined();
  });

  test('a caller that aborts does not wait', async () => {
    const cache = newCache(60_000);
    proxy.freeze();
    const abort = new AbortController();
    const call = cache.get('a', { signal: abort.signal });
    abort.abort(new Error('enough'));
    await expect(call).rejects.toThrow('enough');
    await expect(cache.lease('a', { signal: abort.signal })).rejects.toThrow('enough');
    proxy.heal();
    expect(await cache.get('a')).toBeUndefined();
  });

  test('a client that its owner closed fails at once; nothing of ours opens or closes it', async () => {
    const cache = newCache();
    await cache.get('a');
    expect(client.status).toBe('ready');
    client.disconnect();
    expect((await timed(() => cache.get('a'))).code).toBe('connection');
  });
});
