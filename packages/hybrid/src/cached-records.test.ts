import {
  type CacheService,
  ConnectionError,
  defineEntity,
  encodeVersion,
  type JsonObject,
  type RecordKey,
  type RecordVersion,
  type StoredRecord,
  UNSTAMPED,
  UnknownOutcomeError,
  type WriteIntent,
} from '@polyphase/core';
import { memoryCacheStore, memoryRelationalStore } from '@polyphase/core/memory';
import { manualClock } from '@polyphase/core/testing';
import { expect, test } from 'vitest';
import { z } from 'zod';
import { CachedRecords, type CachedRecordsOptions, decodeRecord, encodeRecord } from './cached-records.ts';

const TTL_MS = 60_000;
const Note = defineEntity({
  name: 'notes',
  schema: z.object({ id: z.string(), tenantId: z.string(), text: z.string() }),
  key: { partition: 'tenantId', id: 'id' },
  ttl: null,
});
const keyOf = (id: string): RecordKey => ({ partition: ['t'], id });
const key = keyOf('a');

/** Holds whoever passes until it is opened. */
class Latch {
  readonly #reached = Promise.withResolvers<void>();
  readonly #opened = Promise.withResolvers<void>();
  readonly reached = this.#reached.promise;

  async pass(): Promise<void> {
    this.#reached.resolve();
    await this.#opened.promise;
  }

  open(): void {
    this.#opened.resolve();
  }
}

type Step = 'loaded' | 'committed' | keyof CacheService;

/** One authority and one cache, and as many processes as a test wants. */
function world() {
  const clock = manualClock();
  const real = memoryRelationalStore({ clock }).records(Note);
  const cacheStore = memoryCacheStore({ clock });
  const shared = cacheStore.cache('notes:');
  const held = new Map<Step, Latch>();
  const errors: unknown[] = [];
  const state = {
    term: 1,
    loads: 0,
    gets: 0,
    failWrite: undefined as unknown,
    down: new Set<keyof CacheService>(),
  };

  // A latch holds the first that comes, after the step was done and before its answer is seen.
  async function after<Result>(step: Step, work: () => Promise<Result>): Promise<Result> {
    const result = await work();
    const latch = held.get(step);
    held.delete(step);
    await latch?.pass();
    return result;
  }
  const cached = <Result>(name: keyof CacheService, work: () => Promise<Result>): Promise<Result> =>
    state.down.has(name)
      ? Promise.reject(new ConnectionError({ message: `${name} is down` }))
      : after(name, work);
  const cache: CacheService = {
    get: (name, options) => {
      state.gets += 1;
      return cached('get', () => shared.get(name, options));
    },
    lease: (name, options) => cached('lease', () => shared.lease(name, options)),
    fill: (name, token, entry, ttl, options) =>
      cached('fill', () => shared.fill(name, token, entry, ttl, options)),
    guard: (name, writer, options) => cached('guard', () => shared.guard(name, writer, options)),
    invalidate: (name, version, options) =>
      cached('invalidate', () => shared.invalidate(name, version, options)),
  };
  const records: CachedRecordsOptions['records'] = {
    read: (it, options) => {
      state.loads += 1;
      return after('loaded', () => real.read(it, options));
    },
    readMany: (its, options) => {
      state.loads += 1;
      return after('loaded', () => real.readMany(its, options));
    },
    getMany: (its, options) => real.getMany(its, options),
    query: (plan, options) => real.query(plan, options),
    write: (intent, options) =>
      after('committed', async () => {
        const result = await real.write(intent, { ...options, term: state.term });
        if (state.failWrite !== undefined) throw state.failWrite;
        return result;
      }),
  };
  return {
    clock,
    state,
    errors,
    cache: shared,
    flush: () => cacheStore.flush(),
    /** A loader of another process that read this version: whether the cache takes it. */
    fillAt: async (version: RecordVersion): Promise<boolean> => {
      const miss = await shared.lease('1:["t"] a');
      if (miss.kind !== 'leased') throw new Error(`there is no lease to take: ${miss.kind}`);
      return shared.fill('1:["t"] a', miss.token, { version, payload: '{}' }, TTL_MS);
    },
    hold: (step: Step): Latch => {
      const latch = new Latch();
      held.set(step, latch);
      return latch;
    },
    process: (busyWaitMs = 0) =>
      new CachedRecords({
        records,
        cache,
        ttlMs: TTL_MS,
        term: () => state.term,
        clock,
        busyWaitMs,
        onCacheError: (error) => errors.push(error),
      }),
  };
}

const put = (text: string, id = 'a', fields: JsonObject = {}): WriteIntent => ({
  kind: 'upsert',
  key: keyOf(id),
  operationId: crypto.randomUUID(),
  value: { id, tenantId: 't', text, ...fields },
});
const textOf = (record: Pick<StoredRecord, 'value'> | undefined): unknown => record?.value?.['text'];

test('a hit asks no authority, in any process', async () => {
  const it = world();
  const [one, two] = [it.process(), it.process()];
  const { record } = await one.write(put('x'), {});
  expect(await one.read(key)).toEqual(record);
  expect(await one.read(key)).toEqual(record);
  expect(await two.read(key)).toEqual(record);
  expect(it.state.loads).toBe(1);
});

test('absence is kept, and ends with the write that creates', async () => {
  const it = world();
  const one = it.process();
  expect(await one.read(key)).toBeUndefined();
  expect(await one.read(key)).toBeUndefined();
  expect(it.state.loads).toBe(1);
  await it.process().write(put('x'), {});
  expect(textOf(await one.read(key))).toBe('x');
});

test('a deleted record is kept as its tombstone', async () => {
  const it = world();
  const one = it.process();
  await one.write(put('x'), {});
  const { record } = await one.write({ kind: 'delete', key, operationId: 'd' }, {});
  expect(await one.read(key)).toEqual(record);
  expect(await one.read(key)).toEqual(record);
  expect(it.state.loads).toBe(1);
});

test('a reader that was slow does not fill after the write of another process', async () => {
  const it = world();
  const [one, two] = [it.process(), it.process()];
  await one.write(put('old'), {});
  const latch = it.hold('loaded');
  const slow = one.read(key);
  await latch.reached;
  await two.write(put('new'), {});
  latch.open();
  expect(textOf(await slow)).toBe('old');
  expect(textOf(await two.read(key))).toBe('new');
  expect(textOf(await one.read(key))).toBe('new');
});

test.each(['same', 'other'])(
  'a reader after the write of the %s process joins no older load',
  async (who) => {
    const it = world();
    const one = it.process();
    const writer = who === 'same' ? one : it.process();
    await writer.write(put('old'), {});
    const latch = it.hold('loaded');
    const early = one.read(key);
    await latch.reached;
    await writer.write(put('new'), {});
    const late = one.read(key);
    for (let turn = 0; turn < 50; turn += 1) await Promise.resolve();
    latch.open();
    expect(textOf(await late)).toBe('new');
    expect(textOf(await early)).toBe('old');
  },
);

test('a write in the same process does not make later readers wait for the older load', async () => {
  const it = world();
  const one = it.process();
  await one.write(put('old'), {});
  const latch = it.hold('loaded');
  const early = one.read(key);
  await latch.reached;
  await one.write(put('new'), {});
  expect(textOf(await one.read(key))).toBe('new');
  latch.open();
  await early;
});

test('nobody joins a load whose fill is on its way', async () => {
  const it = world();
  const [one, two] = [it.process(), it.process()];
  await one.write(put('old'), {});
  const latch = it.hold('fill');
  const early = one.read(key);
  await latch.reached;
  await two.write(put('new'), {});
  expect(textOf(await one.read(key))).toBe('new');
  latch.open();
  expect(textOf(await early)).toBe('old');
});

test('nobody takes a hit that another saw before the write', async () => {
  const it = world();
  const [one, two] = [it.process(), it.process()];
  await one.write(put('old'), {});
  const miss = it.hold('get');
  const early = one.read(key);
  await miss.reached;
  await two.read(key);
  const hit = it.hold('lease');
  miss.open();
  await hit.reached;
  await two.write(put('new'), {});
  const late = one.read(key);
  for (let turn = 0; turn < 50; turn += 1) await Promise.resolve();
  hit.open();
  expect(textOf(await late)).toBe('new');
  expect(textOf(await early)).toBe('old');
});

test('a thousand misses at once make one load, and each reader owns what it gets', async () => {
  const it = world();
  const one = it.process();
  await one.write(put('x'), {});
  const found = await Promise.all(Array.from({ length: 1_000 }, () => one.read(key)));
  expect([it.state.loads, it.state.gets]).toEqual([1, 1_000]);
  expect(new Set(found).size).toBe(1_000);
  expect(found.every((record) => textOf(record) === 'x')).toBe(true);
});

test('who joins a load under way, which the cache then takes, asks the cache no more', async () => {
  const it = world();
  const one = it.process();
  await one.write(put('x'), {});
  const latch = it.hold('loaded');
  const first = one.read(key);
  await latch.reached;
  const second = one.read(key);
  for (let turn = 0; turn < 50; turn += 1) await Promise.resolve();
  latch.open();
  expect([textOf(await first), textOf(await second)]).toEqual(['x', 'x']);
  expect([it.state.loads, it.state.gets]).toEqual([1, 2]);
});

test('who changes what a shared load brought changes it for nobody else', async () => {
  const it = world();
  const one = it.process();
  await one.write(put('x'), {});
  const leader = one.read(key).then((record) => Object.assign(record?.value ?? {}, { text: 'changed' }));
  const { signal } = new AbortController();
  const others = await Promise.all([one.read(key, { signal }), one.read(key)]);
  expect((await leader).text).toBe('changed');
  expect(others.map(textOf)).toEqual(['x', 'x']);
});

test('with the cache away, readers who come at once share two loads at most', async () => {
  const it = world();
  const one = it.process();
  await one.write(put('x'), {});
  it.state.down.add('get').add('lease');
  await Promise.all(Array.from({ length: 1_000 }, () => one.read(key)));
  expect(it.state.loads).toBeLessThanOrEqual(2);
});

test('waits for the load of another process, and takes its entry', async () => {
  const it = world();
  const [one, two] = [it.process(), it.process(100)];
  await one.write(put('x'), {});
  const latch = it.hold('loaded');
  const first = one.read(key);
  await latch.reached;
  const second = two.read(key);
  await it.clock.advance(10);
  latch.open();
  await first;
  await it.clock.advance(10);
  expect(textOf(await second)).toBe('x');
  expect(it.state.loads).toBe(1);
});

// The cache in memory asks for 20 ms.
test.each([
  [15, 15],
  [100, 20],
])('with a bound of %s ms waits %s ms, and then fills nothing', async (boundMs, waitsMs) => {
  const it = world();
  const [one, two] = [it.process(), it.process(boundMs)];
  await one.write(put('x'), {});
  const latch = it.hold('loaded');
  const first = one.read(key);
  await latch.reached;
  const second = two.read(key);
  await it.clock.advance(waitsMs - 1);
  expect(it.state.loads).toBe(1);
  await it.clock.advance(1);
  expect(textOf(await second)).toBe('x');
  expect(it.state.loads).toBe(2);
  expect(await it.cache.get('1:["t"] a')).toBeUndefined();
  latch.open();
  await first;
});

test('between guard and acknowledgement readers get the authority, and fill nothing', async () => {
  const it = world();
  const [one, two] = [it.process(), it.process()];
  await one.write(put('old'), {});
  await two.read(key);
  const guarded = it.hold('guard');
  const committed = it.hold('committed');
  const write = one.write(put('new'), {});
  await guarded.reached;
  expect(textOf(await two.read(key))).toBe('old');
  guarded.open();
  await committed.reached;
  expect(textOf(await two.read(key))).toBe('new');
  expect(await it.cache.get('1:["t"] a')).toBeUndefined();
  committed.open();
  await write;
  expect(textOf(await two.read(key))).toBe('new');
});

test('a cache that is flushed between lease and fill takes nothing', async () => {
  const it = world();
  const one = it.process();
  await one.write(put('x'), {});
  const latch = it.hold('loaded');
  const read = one.read(key);
  await latch.reached;
  it.flush();
  latch.open();
  expect(textOf(await read)).toBe('x');
  expect(await it.cache.get('1:["t"] a')).toBeUndefined();
});

test('a write that was refused gives its guard back', async () => {
  const it = world();
  const one = it.process();
  await one.write(put('x'), {});
  const stale = { ...put('y'), ifVersion: encodeVersion({ term: 1, counter: 1 }) };
  await expect(one.write(stale, {})).rejects.toMatchObject({ code: 'conflict' });
  await one.read(key);
  await one.read(key);
  expect(it.state.loads).toBe(1);
});

test.each([
  new UnknownOutcomeError({ message: 'the reply was lost', operationId: 'o' }),
  new Error('nobody knows'),
])(
  'a write of unknown outcome (%s) leaves its guard, so that nobody fills what was before',
  async (error) => {
    const it = world();
    const [one, two] = [it.process(), it.process()];
    await one.write(put('old'), {});
    await two.read(key);
    it.state.failWrite = error;
    await expect(one.write(put('new'), {})).rejects.toBe(error);
    expect(textOf(await two.read(key))).toBe('new');
    expect((await it.cache.lease('1:["t"] a')).kind).toBe('busy');
    await it.clock.advance(TTL_MS);
    await two.read(key);
    expect(textOf(await two.read(key))).toBe('new');
    expect(await it.cache.get('1:["t"] a')).toBeDefined();
  },
);

test('a write of unknown outcome that has no guard drops what is there as soon as it can', async () => {
  const it = world();
  const [one, two] = [it.process(), it.process()];
  await one.write(put('old'), {});
  await two.read(key);
  it.state.down.add('guard');
  it.state.failWrite = new Error('nobody knows');
  await expect(one.write(put('new'), {})).rejects.toThrow('nobody knows');
  await it.clock.advance(1_000);
  expect(textOf(await two.read(key))).toBe('new');
});

test('a cache that is away fails neither reads nor writes, and is told', async () => {
  const it = world();
  const one = it.process();
  for (const call of ['get', 'lease', 'fill', 'guard', 'invalidate'] as const) it.state.down.add(call);
  await one.write(put('x'), {});
  expect(textOf(await one.read(key))).toBe('x');
  expect((await one.getMany([key])).map(textOf)).toEqual(['x']);
  expect(it.errors.length).toBeGreaterThan(0);
  expect(it.errors.every((error) => ConnectionError.isInstance(error))).toBe(true);
  await one[Symbol.asyncDispose]();
});

test.each(['lease', 'fill'] as const)('a cache that fails at the %s does not fail the read', async (call) => {
  const it = world();
  const one = it.process();
  await one.write(put('x'), {});
  it.state.down.add(call);
  expect(textOf(await one.read(key))).toBe('x');
  expect((await one.getMany([key])).map(textOf)).toEqual(['x']);
});

test('an invalidation that did not get through is repeated until it does', async () => {
  const it = world();
  const [one, two] = [it.process(), it.process()];
  await one.write(put('old'), {});
  await two.read(key);
  it.state.down.add('guard').add('invalidate');
  await one.write(put('new'), {});
  // this process knows what it owes; another one cannot
  expect(textOf(await one.read(key))).toBe('new');
  expect((await one.getMany([key])).map(textOf)).toEqual(['new']);
  expect(textOf(await two.read(key))).toBe('old');
  const { record } = await one.write(put('newest'), {});
  await it.clock.advance(5_000);
  it.state.down.clear();
  await it.clock.advance(2_000);
  expect(it.clock.nextMs).toBeUndefined();
  const before = { ...record.version, counter: record.version.counter - 1 };
  expect(await it.fillAt(before)).toBe(false);
  expect(textOf(await two.read(key))).toBe('newest');
});

test('an invalidation that never gets through is given up when no entry can be left', async () => {
  const it = world();
  const one = it.process();
  it.state.down.add('invalidate');
  await one.write(put('x'), {});
  expect(it.clock.nextMs).toBeDefined();
  await it.clock.advance(TTL_MS + 65_000);
  expect(it.clock.nextMs).toBeUndefined();
});

test('with the guard alone nobody reads what is older, though the invalidation fails', async () => {
  const it = world();
  const [one, two] = [it.process(), it.process()];
  await one.write(put('old'), {});
  await two.read(key);
  it.state.down.add('invalidate');
  await one.write(put('new'), {});
  expect(textOf(await two.read(key))).toBe('new');
  await one[Symbol.asyncDispose]();
});

test('closing ends the repetition', async () => {
  const it = world();
  const one = it.process();
  it.state.down.add('invalidate');
  await one.write(put('x'), {});
  await one[Symbol.asyncDispose]();
  expect(it.clock.nextMs).toBeUndefined();
});

test('a flip leaves the entries of the older term behind', async () => {
  const it = world();
  const one = it.process();
  await one.write(put('x'), {});
  await one.read(key);
  it.state.term = 2;
  await one.read(key);
  expect(it.state.loads).toBe(2);
});

test('a write across a flip invalidates the key in both terms', async () => {
  const it = world();
  const one = it.process();
  await one.write(put('old'), {});
  it.state.term = 2;
  await one.read(key);
  it.state.term = 1;
  await one.read(key);
  const latch = it.hold('committed');
  const write = one.write(put('new'), {});
  await latch.reached;
  it.state.term = 2;
  latch.open();
  const { record } = await write;
  expect(textOf(await one.read(key))).toBe('new');
  expect(await it.fillAt({ ...record.version, counter: record.version.counter - 1 })).toBe(false);
  it.state.term = 1;
  expect(textOf(await one.read(key))).toBe('new');
});

test('many keys at once: hits from the cache, the rest in one call, in the order that was asked', async () => {
  const it = world();
  const one = it.process();
  for (const id of ['a', 'b', 'c']) await one.write(put(id, id), {});
  await one.read(keyOf('b'));
  it.state.loads = 0;
  const ids = ['c', 'none', 'b', 'a', 'c'];
  const expected = ['c', undefined, 'b', 'a', 'c'];
  expect((await one.getMany(ids.map(keyOf))).map(textOf)).toEqual(expected);
  expect(it.state.loads).toBe(1);
  expect((await one.getMany(ids.map(keyOf))).map(textOf)).toEqual(expected);
  expect(it.state.loads).toBe(1);
});

test('many keys at once fill nothing that was written meanwhile', async () => {
  const it = world();
  const one = it.process();
  await one.write(put('old'), {});
  const latch = it.hold('loaded');
  const reads = one.getMany([key]);
  await latch.reached;
  await it.process().write(put('new'), {});
  latch.open();
  await reads;
  expect(textOf(await one.read(key))).toBe('new');
});

test('who aborts does not wait, and takes nobody along', async () => {
  const it = world();
  const one = it.process();
  await one.write(put('x'), {});
  const latch = it.hold('loaded');
  const abort = new AbortController();
  const leader = one.read(key, { signal: abort.signal });
  await latch.reached;
  const other = one.read(key);
  for (let turn = 0; turn < 20; turn += 1) await Promise.resolve();
  abort.abort(new Error('enough'));
  await expect(leader).rejects.toThrow('enough');
  latch.open();
  expect(textOf(await other)).toBe('x');
  expect(it.state.loads).toBe(1);
});

test('a write that was aborted before it was sent changes nothing and guards nothing', async () => {
  const it = world();
  const one = it.process();
  const signal = AbortSignal.abort(new Error('enough'));
  it.state.down.add('guard');
  await expect(one.write(put('x'), { signal })).rejects.toThrow('enough');
  await expect(one.read(key, { signal })).rejects.toThrow('enough');
  expect([it.errors, it.state.loads]).toEqual([[], 0]);
  expect((await it.cache.lease('1:["t"] a')).kind).toBe('leased');
});

test('a write that was aborted behind its guard gives the guard back', async () => {
  const it = world();
  const one = it.process();
  const latch = it.hold('guard');
  const abort = new AbortController();
  const write = one.write(put('x'), { signal: abort.signal });
  await latch.reached;
  abort.abort(new Error('enough'));
  latch.open();
  await expect(write).rejects.toThrow('enough');
  expect((await it.cache.lease('1:["t"] a')).kind).toBe('leased');
});

test('an entry of another format is dropped, told, and loaded again', async () => {
  const it = world();
  const one = it.process();
  const { record } = await one.write(put('x'), {});
  expect(await it.fillAt(record.version)).toBe(true);
  expect(await one.read(key)).toEqual(record);
  expect(it.errors).toHaveLength(1);
  await one.read(key);
  expect(it.state.loads).toBe(1);
});

test('a unit of writes guards its keys, invalidates what it wrote and gives the rest back', async () => {
  const it = world();
  const one = it.process();
  await one.write(put('x'), {});
  const before = await one.read(key);
  await one.read(keyOf('b'));
  const write = one.startWrite();
  for (const id of ['a', 'b', 'a']) await write.guard(keyOf(id));
  for (const name of ['1:["t"] a', '1:["t"] b']) expect((await it.cache.lease(name)).kind).toBe('busy');
  expect(before).toBeDefined();
  await write.committed(
    before ? [{ ...before, version: { term: 1, counter: before.version.counter + 1 } }] : [],
  );
  expect(await it.fillAt(before?.version ?? UNSTAMPED)).toBe(false);
  expect((await it.cache.lease('1:["t"] b')).kind).toBe('leased');
});

test('a record survives the way through the cache exactly', () => {
  const record: StoredRecord = {
    key: { partition: [undefined, null, 1, '1', true], id: 'é' },
    version: { term: 3, counter: Number.MAX_SAFE_INTEGER },
    value: { a: null, b: [1.5, { c: '\u{1f600}' }], d: '' },
    digest: 'd'.repeat(32),
    operations: [{ id: 'o', term: 3, counter: 7 }],
    etag: '"e"',
    base: { term: 2, counter: 1, digest: 'b'.repeat(32) },
  };
  const { etag, base, ...plain } = record;
  for (const it of [record, plain, { ...plain, value: undefined }])
    expect(decodeRecord(encodeRecord(it), it.key)).toStrictEqual(it);
  expect([etag, base]).toHaveLength(2);
  expect(
    decodeRecord(encodeRecord(record), { partition: [null, null, 1, '1', true], id: 'é' }),
  ).toBeUndefined();
  expect(decodeRecord('no JSON', record.key)).toBeUndefined();
});

test('an entry lives no longer than its record, and tells when that ends', async () => {
  const { clock, process, state } = world();
  const mine = process();
  const { record } = await mine.write(put('short', 'a', { ttl: 10 }), {});
  const both = async () => [await mine.read(key), (await mine.getMany([key]))[0]];
  for (const read of await both())
    expect(read).toMatchObject({ value: record.value, expiresAtMs: record.expiresAtMs });
  expect(state.loads).toBe(1);
  await clock.advance(9_999);
  for (const read of await both()) expect(textOf(read)).toBe('short');
  expect(state.loads).toBe(1);
  await clock.advance(1);
  for (const read of await both()) expect(textOf(read)).toBeUndefined();
  expect(state.loads).toBe(2);
  await clock.advance(1_000);
  expect(textOf(await mine.read(key))).toBeUndefined();
  expect(state.loads).toBe(2);
});
