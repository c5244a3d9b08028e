import { createCertificate, type Engine, startRedis } from '@polyphase/test-support';
import { describeWith } from '@polyphase/test-support/vitest';
import { Redis } from 'ioredis';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { redisStore } from '../src/index.ts';

describeWith('redis')('a Redis that takes connections over TLS alone', () => {
  const certificate = createCertificate(['127.0.0.1']);
  const clients: Redis[] = [];
  let engine: Engine;
  beforeAll(async () => {
    engine = await startRedis({ tls: certificate });
  });
  afterAll(async () => {
    for (const client of clients) client.disconnect();
    await engine?.stop();
  });
  const cacheWith = (ca: string, timeoutMs: number) => {
    const client = new Redis(engine.url, { tls: { ca } });
    clients.push(client);
    return redisStore({ client, timeoutMs }).cache('tls');
  };

  test('serves a client that trusts its authority', async () => {
    const cache = cacheWith(certificate.authority, 10_000);
    const miss = await cache.lease('a');
    const entry = { version: { term: 1, counter: 1 }, payload: 'x' };
    expect(await cache.fill('a', miss.kind === 'leased' ? miss.token : '', entry, 60_000)).toBe(true);
    expect(await cache.get('a')).toEqual(entry);
  });

  test('is not used by a client that trusts another: calls fail as retryable, in time', async () => {
    const cache = cacheWith(createCertificate(['127.0.0.1']).authority, 250);
    await expect(cache.get('a')).rejects.toMatchObject({ retryable: true });
  });
});
