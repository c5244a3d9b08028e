import type { CacheService, RecordVersion } from '@polyphase/core';
import { bindContract, cacheCases } from '@polyphase/core/testing';
import { type RedisCluster, type RedisNode, startRedisCluster } from '@polyphase/test-support';
import { describeWith } from '@polyphase/test-support/vitest';
import { Cluster, Redis } from 'ioredis';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { redisStore } from '../src/index.ts';
import { unlinkAll } from './unlink-all.ts';

const TTL_MS = 60_000;
const PATIENCE = { timeout: 20_000, interval: 20 };
const v = (counter: number): RecordVersion => ({ term: 1, counter });
const entry = (counter: number) => ({ version: v(counter), payload: `value ${counter}` });

describeWith('redis')('a Redis Cluster', () => {
  let servers: RedisCluster;
  let client: Cluster;
  let cache: CacheService;
  let number = 0;
  const newKey = () => `key ${(number += 1)}`;
  const redisKey = (key: string) => `polyphase:cluster:${key}`;
  const holders = (key: string) => servers.holders(redisKey(key));

  beforeAll(async () => {
    servers = await startRedisCluster();
    client = new Cluster(servers.nodes.map(({ host, port }) => ({ host, port })));
    // These tests are about order and about who answers, not about time.
    cache = redisStore({ client, timeoutMs: 15_000 }).cache('cluster');
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

  async function filled(key: string, counter: number, ttlMs = TTL_MS): Promise<void> {
    expect(await cache.fill(key, await leased(key), entry(counter), ttlMs)).toBe(true);
  }

  async function replicated(key: string): Promise<void> {
    const { master, replica } = await holders(key);
    await replica.direct.readonly();
    const name = redisKey(key);
    const isThere = async () => (await replica.direct.get(name)) === (await master.direct.get(name));
    await vi.waitUntil(isThere, PATIENCE);
  }

  const isMaster = async ({ direct }: RedisNode) => /role:master/.test(await direct.info('replication'));

  bindContract(cacheCases, {
    capabilities: ['flush'],
    it: test,
    subject: async () => {
      const prefix = `contract ${(number += 1)}:`;
      return {
        store: redisStore({ client, prefix, timeoutMs: 10_000 }),
        flush: () => unlinkAll(client.nodes('master'), prefix),
      };
    },
  });

  test('each server learns a script when it needs it, once', async () => {
    const masters = client.nodes('master');
    expect(masters).toHaveLength(3);
    const keys = Array.from({ length: 60 }, newKey);
    await Promise.all(masters.map((master) => master.script('FLUSH')));
    for (const key of keys.slice(0, 30)) await filled(key, 1);
    await Promise.all(masters.map((master) => master.config('RESETSTAT')));
    for (const key of keys.slice(30)) await filled(key, 1);
    for (const master of masters) {
      const stats = await master.info('commandstats');
      expect(stats).toMatch(/cmdstat_evalsha:/);
      expect(stats).not.toMatch(/cmdstat_eval:/);
    }
    for (const key of keys) expect(await cache.get(key)).toEqual(entry(1));
  });

  test('an entry and its lease move with their slot, and are found on the way', async () => {
    const [there, underWay, late] = ['there', 'under way', 'late'].map((name) => `{moving} ${name}`);
    const { master: from } = await holders(there ?? '');
    const { master: to } = await otherThan(from);
    const slot = String(await from.direct.cluster('KEYSLOT', redisKey(there ?? '')));
    await filled(there ?? '', 1);
    const token = await leased(underWay ?? '');
    const [source, target] = await Promise.all([from, to].map(({ direct }) => direct.cluster('MYID')));
    await to.direct.call('CLUSTER', 'SETSLOT', slot, 'IMPORTING', String(source));
    await from.direct.call('CLUSTER', 'SETSLOT', slot, 'MIGRATING', String(target));

    // What is not there any more is asked of the new server, what is there still of the old one.
    await filled(late ?? '', 1);
    expect(await to.direct.exists(redisKey(late ?? '')).catch(() => 'not its slot yet')).toBe(
      'not its slot yet',
    );
    expect(await cache.get(there ?? '')).toEqual(entry(1));
    for (const key of [there, underWay])
      await from.direct.migrate('127.0.0.1', to.port, redisKey(key ?? ''), 0, 5_000);
    expect(await cache.get(there ?? '')).toEqual(entry(1));
    expect(await cache.fill(underWay ?? '', token, entry(2), TTL_MS)).toBe(true);
    await cache.invalidate(there ?? '', v(2));

    for (const { direct } of [to, from])
      await direct.call('CLUSTER', 'SETSLOT', slot, 'NODE', String(target));
    expect(await cache.get(there ?? '')).toBeUndefined();
    expect(await cache.get(underWay ?? '')).toEqual(entry(2));
    expect(await cache.get(late ?? '')).toEqual(entry(1));
    expect(await cache.fill(there ?? '', await leased(there ?? ''), entry(1), TTL_MS)).toBe(false);
  });

  async function otherThan(node: RedisNode) {
    for (;;) {
      const key = newKey();
      const held = await holders(key);
      if (held.master !== node) return { key, ...held };
    }
  }

  test('nobody reads an older version through a planned failover', async () => {
    const keys = [newKey(), newKey(), newKey(), newKey()];
    const truth = new Map(keys.map((key) => [key, 0]));
    const acknowledged = new Map(truth);
    const stale: string[] = [];
    const over = new AbortController();
    let hits = 0;
    const write = async (key: string): Promise<void> => {
      const writer = crypto.randomUUID();
      await cache.guard(key, writer);
      const version = (truth.get(key) ?? 0) + 1;
      truth.set(key, version);
      await cache.invalidate(key, v(version), { writers: [writer] });
      acknowledged.set(key, Math.max(version, acknowledged.get(key) ?? 0));
    };
    const read = async (key: string): Promise<void> => {
      const least = acknowledged.get(key) ?? 0;
      const hit = await cache.get(key);
      if (hit) hits += 1;
      if (hit && hit.version.counter < least) stale.push(`${key}: ${hit.version.counter} of ${least}`);
      const miss = hit ?? (await cache.lease(key));
      if ('token' in miss) await cache.fill(key, miss.token, entry(truth.get(key) ?? 0), TTL_MS);
    };
    const serve = async (key: string): Promise<void> => {
      while (!over.signal.aborted) await (Math.random() < 0.1 ? write(key) : read(key));
    };
    const work = Promise.all([...keys, ...keys, ...keys].map(serve));
    try {
      await vi.waitUntil(() => hits > 100, PATIENCE);
      const { master, replica } = await holders(keys[0] ?? '');
      await replica.direct.cluster('FAILOVER');
      await vi.waitUntil(async () => (await isMaster(replica)) && !(await isMaster(master)), PATIENCE);
      const before = hits;
      await vi.waitUntil(() => hits > before + 100, PATIENCE);
    } finally {
      over.abort();
      await work;
    }
    expect(stale).toEqual([]);
  });

  test('a client of one server says what to use instead', async () => {
    const { master } = await holders(newKey());
    const { key } = await otherThan(master);
    const alone = new Redis(master.port, master.host);
    const far = redisStore({ client: alone, timeoutMs: 10_000 }).cache('cluster');
    await expect(far.get(key)).rejects.toThrow(/new Cluster/);
    await expect(far.lease(key)).rejects.toMatchObject({ code: 'invalid-options' });
    alone.disconnect();
  });

  test('the replica of a master that dies goes on with what had reached it; meanwhile calls fail as retryable, in time', async () => {
    const key = newKey();
    await cache.invalidate(key, v(3));
    await filled(key, 3);
    await replicated(key);
    const { master, replica } = await holders(key);
    const { master: other } = await otherThan(master);
    const timeoutMs = 100;
    const hasty = redisStore({ client, timeoutMs }).cache('cluster');
    await master.kill();
    const codes: unknown[] = [];
    await vi.waitUntil(async () => {
      const started = performance.now();
      const reply = await hasty.invalidate(key, v(4)).then(
        () => 'done',
        (error: unknown) => error,
      );
      if (reply === 'done') return true;
      expect(reply).toMatchObject({ retryable: true });
      expect(performance.now() - started).toBeLessThan(10 * timeoutMs);
      codes.push(reply);
      return false;
    }, PATIENCE);
    expect(codes.length).toBeGreaterThan(0);
    expect(await isMaster(replica)).toBe(true);
    expect(await cache.get(key)).toBeUndefined();
    expect(await cache.fill(key, await leased(key), entry(3), TTL_MS)).toBe(false);
    // An invalidation that its caller gave up may come through only now, and takes the lease with it.
    await vi.waitUntil(async () => cache.fill(key, await leased(key), entry(4), TTL_MS), PATIENCE);
    expect(other.direct.status).toBe('ready');
  });

  /** The replica of a key hears no more of its master, and then takes over. */
  async function loseTo(key: string, before: () => Promise<void>): Promise<void> {
    const { master, replica } = await holders(key);
    await replica.direct.config('SET', 'masterauth', 'not the password');
    await master.direct.call('CLIENT', 'KILL', 'TYPE', 'replica');
    await before();
    await replica.direct.cluster('FAILOVER', 'TAKEOVER');
    await vi.waitUntil(async () => (await isMaster(replica)) && !(await isMaster(master)), PATIENCE);
  }

  async function keyWithReplica(): Promise<string> {
    for (;;) {
      const key = newKey();
      const held = await holders(key).catch(() => undefined);
      if (held && held.replica.direct.status === 'ready') return key;
    }
  }

  test('an invalidation that a failover lost leaves the older entry until its time to live ends, and no longer', async () => {
    const key = await keyWithReplica();
    await filled(key, 1, 4_000);
    await replicated(key);
    await loseTo(key, () => cache.invalidate(key, v(2)));
    expect(await cache.get(key)).toEqual(entry(1));
    await vi.waitUntil(async () => (await cache.get(key)) === undefined, { timeout: 6_000, interval: 20 });
  });

  test('a guard that reached the replica keeps the older entry out though the invalidation was lost', async () => {
    const key = await keyWithReplica();
    await filled(key, 1);
    await cache.guard(key, 'w');
    await replicated(key);
    await loseTo(key, () => cache.invalidate(key, v(2)));
    expect(await cache.get(key)).toBeUndefined();
    expect((await cache.lease(key)).kind).toBe('busy');
    await cache.invalidate(key, v(2), { writers: ['w'] });
    await filled(key, 2);
  });

  test('a cluster that lacks slots fails as retryable, and not by a time-out of ours', async () => {
    const key = await keyWithReplica();
    const { master, replica } = await holders(key);
    const brief = new Cluster([{ host: master.host, port: master.port }], { maxRedirections: 3 });
    const lacking = redisStore({ client: brief, timeoutMs: 10_000 }).cache('cluster');
    await lacking.get(key);
    await Promise.all([master.kill(), replica.kill()]);
    await expect(lacking.invalidate(key, v(1))).rejects.toMatchObject({
      code: 'connection',
      retryable: true,
    });
    brief.disconnect();
  });
});
