import { describe, expect, it } from 'vitest';
import { InvalidDataError, InvalidOptionsError } from '../errors.ts';
import { Task, task } from '../testing/entities.ts';
import { put, remove, write } from '../testing/intents.ts';
import { manualClock } from '../testing/manual-clock.ts';
import { memoryCacheStore, memoryDocumentStore, memoryRelationalStore } from './index.ts';

const key = { partition: ['t1'], id: 'a' };

describe('memoryDocumentStore', () => {
  it('refuses a number of ranges that is none', () => {
    for (const ranges of [0, -1, 1.5, Number.NaN])
      expect(() => memoryDocumentStore({ ranges })).toThrow(InvalidOptionsError);
  });

  it('spreads partitions over its ranges, each partition in one', async () => {
    const store = memoryDocumentStore({ ranges: 4 });
    const records = store.records(Task);
    for (let i = 0; i < 40; i += 1) {
      await write(records, put('create', Task, { id: 'a', tenantId: `t${i}` }));
      await write(records, put('create', Task, { id: 'b', tenantId: `t${i}` }));
    }
    const feed = store.changes(Task);
    const homes = new Map<unknown, string>();
    for (const range of await feed.ranges())
      for (const change of (await feed.read(range, undefined)).changes) {
        if (change.kind !== 'record') continue;
        const [tenant] = change.record.key.partition;
        expect(homes.get(tenant) ?? range.id).toBe(range.id);
        homes.set(tenant, range.id);
      }
    expect([homes.size, new Set(homes.values()).size]).toEqual([40, 4]);
  });

  it('refuses a position of another range', async () => {
    const feed = memoryDocumentStore({ ranges: 2 }).changes(Task);
    const [one, two] = await feed.ranges();
    if (!one || !two) throw new Error('there are two');
    const { position } = await feed.read(one, undefined);
    await expect(feed.read(two, position)).rejects.toThrow(InvalidOptionsError);
    await expect(feed.read(one, 'nonsense')).rejects.toThrow(InvalidOptionsError);
  });

  it('can keep a stamp over a body that was changed under it, as foreign writers do', async () => {
    const store = memoryDocumentStore();
    const records = store.records(Task);
    const { record } = await write(records, put('create', Task, task('a', { rank: 1 })));
    await store.foreign.put(Task, task('a', { rank: 2 }), { keepStamp: true });
    const changed = await records.read(key);
    expect(changed).toMatchObject({ version: record.version, value: { rank: 2 } });
    expect(changed?.digest).not.toBe(record.digest);
    expect((await records.apply([{ record }]))[0]?.kind).toBe('diverged');
    await expect(store.foreign.put(Task, { tenantId: 't1' })).rejects.toThrow(InvalidDataError);
  });

  it('tells a document whose body no store keeps as unmappable', async () => {
    const store = memoryDocumentStore();
    await store.foreign.put(Task, { ...task('nul'), title: 'a\0' });
    await store.foreign.put(Task, { ...task('a/b') });
    const [range] = await store.changes(Task).ranges();
    if (!range) throw new Error('there is one');
    const { changes } = await store.changes(Task).read(range, undefined);
    expect(changes.map((one) => (one.kind === 'unmappable' ? one.issues[0]?.path : one.kind))).toEqual([
      ['title'],
      ['id'],
    ]);
  });
});

describe('memory stores', () => {
  it('share nothing with what they are given, and nothing with what they give', async () => {
    const records = memoryRelationalStore().records(Task);
    const value = { ...task('a'), tags: ['x'] };
    const { record } = await write(records, put('create', Task, value));
    value.tags.push('after');
    // What callers get is typed as read-only; programs without types write to it all the same.
    Object.assign(record.value ?? {}, { tags: ['mine'] });
    Object.assign(record.operations, { length: 0 });
    const read = await records.read(key);
    expect([read?.value, read?.operations.length]).toEqual([{ ...task('a'), tags: ['x'] }, 1]);
    Object.assign(read?.version ?? {}, { counter: 1 });
    expect((await records.read(key))?.version).toEqual(record.version);
  });

  it('let others go first at every call', async () => {
    const records = memoryDocumentStore().records(Task);
    const order: string[] = [];
    const writing = write(records, put('create', Task, task('a'))).then(() => order.push('written'));
    void Promise.resolve().then(() => order.push('other'));
    await writing;
    expect(order).toEqual(['other', 'written']);
  });

  it('refuse calls on a unit of work that has ended', async () => {
    const store = memoryRelationalStore();
    let late: (() => Promise<unknown>) | undefined;
    await store.runUnit(
      async (unit) => {
        const records = unit.records(Task);
        late = () => records.write(put('create', Task, task('late')));
        await records.write(put('create', Task, task('a')));
      },
      { operationId: 'unit', fenceOf: () => ({ term: 1 }) },
    );
    await expect(late?.()).rejects.toThrow(InvalidOptionsError);
    expect(await store.records(Task).count()).toBe(1);
  });

  it('keep a tombstone out of every answer but read and scan', async () => {
    const records = memoryDocumentStore().records(Task);
    await write(records, remove(key));
    expect([await records.count(), (await records.read(key))?.value]).toEqual([0, undefined]);
  });
});

it('the age of a dirty key is counted from its first change, by the clock of the store', async () => {
  const clock = manualClock();
  const store = memoryRelationalStore({ clock });
  const records = store.records(Task);
  await clock.advance(1_000);
  await write(records, put('create', Task, task('a')));
  await store.dirtyKeys.markAll(Task.name);
  await clock.advance(30);
  await store.dirtyKeys.markAll(Task.name);
  await clock.advance(12);
  expect(await store.dirtyKeys.lag(Task.name)).toEqual({ count: 1, oldestMs: 42 });
});

describe('memoryCacheStore', () => {
  it('evicts the key that was used longest ago, and with it the right to fill', async () => {
    const cache = memoryCacheStore({ clock: manualClock(), maxEntries: 2 }).cache('c:');
    const first = await cache.lease('one');
    await cache.lease('two');
    await cache.lease('three');
    if (first.kind !== 'leased') throw new Error('the first was free');
    expect(
      await cache.fill('one', first.token, { version: { term: 1, counter: 1 }, payload: 'x' }, 1_000),
    ).toBe(false);
  });

  it('frees the lease of a loader that died, and the guard of a writer that died', async () => {
    const clock = manualClock();
    const cache = memoryCacheStore({ clock }).cache('c:');
    await cache.lease('k');
    expect((await cache.lease('k')).kind).toBe('busy');
    await clock.advance(10_000);
    expect((await cache.lease('k')).kind).toBe('leased');
    await cache.guard('k', 'w');
    await clock.advance(10_000);
    expect((await cache.lease('k')).kind).toBe('leased');
  });
});
