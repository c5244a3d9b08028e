import {
  type CacheService,
  ConnectionError,
  defineEntity,
  type RecordKey,
  type RecordStore,
  type StoredRecord,
  systemClock,
} from '@polyphase/core';
import { memoryRelationalStore } from '@polyphase/core/memory';
import { redisStore } from '@polyphase/redis';
import { type Engine, type FaultProxy, startFaultProxy, startRedis } from '@polyphase/test-support';
import { describeWith, testRedis } from '@polyphase/test-support/vitest';
import { Redis } from 'ioredis';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test, vi } from 'vitest';
import { z } from 'zod';
import { CachedRecords, type CachedRecordsOptions, decodeRecord } from '../src/cached-records.ts';

const Note = defineEntity({
  name: 'notes',
  schema: z.object({ id: z.string(), tenantId: z.string(), count: z.number() }),
  key: { partition: 'tenantId', id: 'id' },
});
const keyOf = (id: number): RecordKey => ({ partition: ['t'], id: `n${id}` });
const countOf = (record: Pick<StoredRecord, 'value'> | undefined): number =>
  Number(record?.value?.['count'] ?? 0);

type Authority = CachedRecordsOptions['records'];

/** The authority, over a network on which every call takes a while, there and back. */
function distant(real: RecordStore, travel: () => Promise<void>): Authority {
  return {
    async read(key, options) {
      await travel();
      const record = await real.read(key, options);
      await travel();
      return record;
    },
    readMany: (keys, options) => real.readMany(keys, options),
    getMany: (keys, options) => real.getMany(keys, options),
    query: (plan, options) => real.query(plan, options),
    async write(intent, options) {
      await travel();
      const result = await real.write(intent, { ...options, term: 1 });
      await travel();
      return result;
    },
  };
}

/** As under session consistency: a read may miss the newest write, even one that was acknowledged. */
function lagging(records: Authority): Authority {
  const newest = new Map<string, StoredRecord>();
  const before = new Map<string, StoredRecord>();
  return {
    ...records,
    async read(key, options) {
      const record = await records.read(key, options);
      return Math.random() < 0.3 ? (before.get(key.id) ?? record) : record;
    },
    async write(intent, options) {
      const result = await records.write(intent, options);
      const there = newest.get(intent.key.id);
      if (there) before.set(intent.key.id, there);
      newest.set(intent.key.id, result.record);
      return result;
    },
  };
}

/** Some invalidations are never sent: the guard has to hold until they are repeated. */
function losing(cache: CacheService): CacheService {
  return {
    get: (key, options) => cache.get(key, options),
    lease: (key, options) => cache.lease(key, options),
    fill: (key, token, entry, ttlMs, options) => cache.fill(key, token, entry, ttlMs, options),
    guard: (key, writer, options) => cache.guard(key, writer, options),
    invalidate: (key, version, options) =>
      Math.random() < 0.2
        ? Promise.reject(new ConnectionError({ message: 'lost by the test' }))
        : cache.invalidate(key, version, options),
  };
}

const upsert = (id: number, count: number) => ({
  kind: 'upsert' as const,
  key: keyOf(id),
  operationId: crypto.randomUUID(),
  value: { id: `n${id}`, tenantId: 't', count },
});
const upTo = (ms: number): Promise<void> => systemClock.sleep(Math.random() * ms);

describeWith('redis')('cached records under chaos', () => {
  const KEYS = 4;
  const WRITES = 400;
  const ENTRIES = 100;
  const PROCESSES = 4;
  const PATIENCE_MS = 120_000; // the tests end by counts; a busy machine takes its time
  let engine: Engine;
  let admin: Redis;
  let clients: Redis[];
  let processes: CachedRecords[];
  const cacheOf = (client: Redis) =>
    redisStore({ client, leaseMs: 10, pauseMs: 20, timeoutMs: 2_000 }).cache('chaos');

  beforeAll(async () => {
    vi.stubEnv('TEST_REDIS_URL', ''); // everything in it is flushed, so it must be nobody else's
    engine = await startRedis();
    vi.unstubAllEnvs();
    admin = new Redis(engine.url);
    // Each has a connection and loads of its own, as processes do.
    clients = Array.from({ length: PROCESSES }, () => new Redis(engine.url, { retryStrategy: () => 1 }));
  });
  afterAll(async () => {
    for (const client of [admin, ...clients]) client.disconnect();
    await engine.stop();
  });

  /** Most answers come at once, some long after others that were sent later. */
  function travel(): Promise<void> {
    const dice = Math.random();
    if (dice < 0.5) return Promise.resolve();
    return upTo(dice < 0.85 ? 2 : 20);
  }

  function start(
    authority: (real: Authority) => Authority = (real) => real,
    faulty: (cache: CacheService) => CacheService = (cache) => cache,
  ): void {
    const records = authority(distant(memoryRelationalStore().records(Note), travel));
    const shared = {
      records,
      ttlMs: 60_000,
      term: () => 1,
      clock: systemClock,
      onCacheError: () => undefined,
    };
    processes = clients.map((client) => new CachedRecords({ ...shared, cache: faulty(cacheOf(client)) }));
  }
  afterEach(async () => {
    for (const it of processes) await it[Symbol.asyncDispose]();
  });

  function process(number: number): CachedRecords {
    const it = processes[number % PROCESSES];
    if (!it) throw new Error('there are no processes');
    return it;
  }

  const disconnectAll = () => admin.call('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes');

  /** Loses what Redis holds, a key, or every connection, over and over. */
  async function lose(running: () => boolean): Promise<number> {
    let losses = 0;
    for (; running(); losses += 1) {
      const dice = Math.random();
      if (dice < 0.3) await admin.flushall();
      else if (dice < 0.5) await disconnectAll();
      else await admin.unlink(`polyphase:chaos:1:["t"] n${Math.floor(Math.random() * KEYS)}`);
      await upTo(4);
    }
    return losses;
  }

  test('no read is older than a write that was acknowledged before it began', {
    timeout: PATIENCE_MS,
  }, async () => {
    start();
    const acknowledged = Array.from({ length: KEYS }, () => 0);
    let writes = 0;
    let reads = 0;
    const stale: string[] = [];
    const running = () => writes < WRITES;

    // One writer per key counts up, so that what was acknowledged is a number; each write goes through another process.
    const write = async (id: number): Promise<void> => {
      for (let count = 1; running(); count += 1) {
        await process(id + count).write(upsert(id, count), {});
        acknowledged[id] = count;
        writes += 1;
        await upTo(10);
      }
    };
    // The second of two writers at one key changes something else in the record.
    const patch = async (id: number): Promise<void> => {
      for (; running(); await upTo(20)) {
        const operationId = crypto.randomUUID();
        if (acknowledged[id] === 0) continue;
        const change = { kind: 'patch', key: keyOf(id), operationId, patch: { note: operationId } } as const;
        await process(id).write(change, {});
      }
    };
    const read = async (number: number): Promise<void> => {
      for (; running(); await upTo(2)) {
        const id = Math.floor(Math.random() * KEYS);
        const floor = acknowledged[id] ?? 0;
        const [record] =
          Math.random() < 0.1
            ? await process(number).getMany([keyOf(id)])
            : [await process(number).read(keyOf(id))];
        reads += 1;
        if (countOf(record) < floor) stale.push(`n${id}: ${countOf(record)} after ${floor}`);
      }
    };
    const ids = Array.from({ length: KEYS }, (_, id) => id);
    const readers = Array.from({ length: 32 }, (_, number) => number);
    const [losses] = await Promise.all([
      lose(running),
      ...ids.map(write),
      ...ids.map(patch),
      ...readers.map(read),
    ]);
    expect(stale).toEqual([]);
    expect(reads).toBeGreaterThan(1_000);
    expect(losses).toBeGreaterThan(20);
  });

  test('no entry is older than a write that was acknowledged, though loads lag and invalidations fail', {
    timeout: PATIENCE_MS,
  }, async () => {
    start(lagging, losing);
    const acknowledged = Array.from({ length: KEYS }, () => 0);
    let writes = 0;
    let entries = 0;
    const stale: string[] = [];
    // Cuts come by time: a busy machine is hardly connected between two, and then writes alone say little about entries.
    const running = () => writes < WRITES || entries < ENTRIES;

    const write = async (id: number): Promise<void> => {
      for (let count = 1; running(); count += 1) {
        await process(id + count).write(upsert(id, count), {});
        acknowledged[id] = count;
        writes += 1;
        await upTo(40);
      }
    };
    const read = async (number: number): Promise<void> => {
      for (; running(); await upTo(2)) await process(number).read(keyOf(number % KEYS));
    };
    const look = async (id: number): Promise<void> => {
      const cache = cacheOf(admin);
      for (; running(); await upTo(2)) {
        const floor = acknowledged[id] ?? 0;
        const entry = await cache.get(`1:["t"] n${id}`);
        const record = entry?.payload === undefined ? undefined : decodeRecord(entry.payload, keyOf(id));
        if (record) entries += 1;
        if (entry && countOf(record) < floor) stale.push(`n${id}: ${countOf(record)} after ${floor}`);
      }
    };
    // Connections only: whoever flushes Redis takes the minimum along, and with it the answer to a lagging load.
    const cut = async (): Promise<void> => {
      for (; running(); await upTo(50)) await disconnectAll();
    };
    const ids = Array.from({ length: KEYS }, (_, id) => id);
    const readers = Array.from({ length: 32 }, (_, number) => number);
    await Promise.all([cut(), ...ids.map(write), ...ids.map(look), ...readers.map(read)]);
    expect(stale).toEqual([]);
  });
});

describeWith('redis')('cached records over Redis', () => {
  const { url, prefix } = testRedis();
  let proxy: FaultProxy;
  let client: Redis;
  let number = 0;
  beforeEach(async () => {
    proxy = await startFaultProxy(url);
    client = new Redis(proxy.through(url));
    await client.ping();
  });
  afterEach(() => client.disconnect());
  afterEach(() => proxy.close());

  function world(timeoutMs: number) {
    const errors: unknown[] = [];
    let calls = 0;
    const count = async (): Promise<void> => void (calls += 1);
    const records = new CachedRecords({
      records: distant(memoryRelationalStore().records(Note), count),
      cache: redisStore({ client, prefix, timeoutMs }).cache(`notes ${(number += 1)}`),
      ttlMs: 60_000,
      term: () => 1,
      clock: systemClock,
      onCacheError: (error) => errors.push(error),
    });
    return { records, errors, calls: () => calls };
  }

  test('a second read comes from Redis, and is the same', async () => {
    const { records, calls, errors } = world(5_000);
    const { record } = await records.write(upsert(1, 1), {});
    expect(await records.read(keyOf(1))).toEqual(record);
    const before = calls();
    expect(await records.read(keyOf(1))).toEqual(record);
    expect([calls(), errors]).toEqual([before, []]);
  });

  test('with Redis silent, reads and writes are answered by the authority within the time-out', async () => {
    const { records, errors } = world(100);
    await records.write(upsert(1, 1), {});
    proxy.freeze();
    const started = performance.now();
    expect(countOf(await records.read(keyOf(1)))).toBe(1);
    const read = performance.now();
    await records.write(upsert(1, 2), {});
    const written = performance.now();
    expect(countOf(await records.read(keyOf(1)))).toBe(2);
    // One time-out for the read, two for the write. The rest is room for a busy machine, far below the 8 s of the driver.
    expect(read - started).toBeLessThan(100 + 1_500);
    expect(written - read).toBeLessThan(200 + 1_500);
    expect(errors.length).toBeGreaterThan(0);
    await records[Symbol.asyncDispose]();
  });

  test('when Redis is back, what was owed is paid and hits come again', async () => {
    const { records, calls } = world(100);
    await records.write(upsert(1, 1), {});
    await records.read(keyOf(1));
    proxy.freeze();
    await records.write(upsert(1, 2), {});
    proxy.heal();
    const hit = async (): Promise<boolean> => {
      const before = calls();
      expect(countOf(await records.read(keyOf(1)))).toBe(2);
      return calls() === before;
    };
    await vi.waitUntil(hit, { timeout: 20_000, interval: 20 });
    await records[Symbol.asyncDispose]();
  });
});
