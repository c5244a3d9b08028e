import { InvalidOptionsError, StoreError } from '@polyphase/core';
import { memoryRelationalStore } from '@polyphase/core/memory';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ChangeFeedProcessor } from '../src/index.ts';
import { liveEndpoint } from './cosmos-setup.ts';
import { LEASE_MS, makeWorld, names, type World } from './processor-world.ts';

describe.skipIf(liveEndpoint !== undefined)('a processor under faults (needs the emulator’s faults)', () => {
  let world: World;
  beforeEach(async () => {
    world = await makeWorld(2);
  });
  afterEach(async () => {
    await world.close();
  });

  it('survives refusals and broken connections of every kind, and hands everything over', async () => {
    const worker = world.worker({ maxItems: 3 });
    await worker.processor.start();
    const strikes = [
      { status: 429, retryAfterMs: 0, count: 60 },
      { status: 503, count: 5 },
      { operation: 'changeFeed', reset: 'before', count: 3 },
      { container: 'leases', reset: 'after', count: 6 },
      { container: 'leases', operation: 'batch', reset: 'after', count: 2 },
      { resource: 'partitionKeyRanges', reset: 'before', count: 2 },
    ] as const;
    for (const [i, strike] of strikes.entries()) {
      await world.put(names(5, i * 5));
      const fault = world.emulator.faults.add(strike);
      await world.until(() => new Set(worker.seen).size === (i + 1) * 5);
      fault.remove();
    }
    expect(new Set(worker.seen)).toEqual(new Set(names(30)));
    expect(worker.processor.isRunning).toBe(true);
    expect(worker.troubles.filter((one) => one.isFatal)).toEqual([]);
    expect(worker.troubles.length).toBeGreaterThan(0);
  });

  it.each(['refuses everything', 'answers nothing'])(
    'keeps its ranges while the container %s',
    async (how) => {
      const { leases, checkpoints } = memoryRelationalStore({ clock: world.clock });
      const worker = world.worker({ leases: { leases, checkpoints } });
      await worker.processor.start();
      const held = async () =>
        [...(await leases.list('processor:work:range:')).values()].map((by) => by.token);
      await world.until(async () => (await held()).length === 2);
      let open = () => undefined as void;
      const gate = new Promise<void>((resolve) => (open = resolve));
      const strike = world.emulator.faults.add({
        container: 'orders',
        count: 1_000_000,
        ...(how === 'refuses everything' ? { status: 503 } : { gate }),
      });
      for (let i = 0; i < 3; i += 1) {
        await world.pass(LEASE_MS);
        expect(await held()).toEqual([1, 1]);
      }
      strike.remove();
      open();
      await world.put(names(4));
      await world.until(() => worker.seen.length === 4);
    },
  );

  it('ends with what to do where the container was deleted, or made anew', async () => {
    for (const isMadeAnew of [false, true]) {
      const name = `again ${String(isMadeAnew)}`;
      const worker = world.worker({ name });
      await worker.processor.start();
      await world.put(names(3));
      await world.until(() => worker.seen.length >= 3);
      await world.orders.delete();
      if (isMadeAnew) await world.database.containers.create({ id: 'orders', partitionKey: '/pk' });
      await world.until(() => !worker.processor.isRunning);
      const fatal = worker.troubles.filter((one) => one.isFatal);
      expect(fatal).toHaveLength(1);
      const type = isMadeAnew ? StoreError : InvalidOptionsError;
      expect(fatal[0]?.error).toBeInstanceOf(type);
      expect(String(fatal[0]?.error)).toContain('under another name');
      // It holds nothing any more, and cannot be started again like this.
      await worker.processor.stop();
      const again = world.worker({ name });
      if (!isMadeAnew) await world.database.containers.create({ id: 'orders', partitionKey: '/pk' });
      await expect(again.processor.start()).rejects.toThrow('under another name');
      // What is there now is told to another name.
      await world.put(names(2));
      const fresh = world.worker({ name: `${name}, next` });
      await fresh.processor.start();
      await world.until(() => fresh.seen.length === 2);
      await fresh.processor.stop();
    }
  });

  it('ends where the container of its leases was deleted', async () => {
    const worker = world.worker();
    await worker.processor.start();
    await world.database.container('leases').delete();
    await world.until(() => !worker.processor.isRunning);
    expect(worker.troubles.filter((one) => one.isFatal).map((one) => one.error)).toEqual([
      expect.any(InvalidOptionsError),
    ]);
  });

  it('does not start without its containers, or with leases where they cannot change together', async () => {
    const { database } = world;
    const missing = world.worker({ container: database.container('none') });
    await expect(missing.processor.start()).rejects.toThrow('The container "none" does not exist; create it');
    const noLeases = world.worker({ leases: database.container('none') });
    await expect(noLeases.processor.start()).rejects.toBeInstanceOf(InvalidOptionsError);
    await database.containers.create({ id: 'by id', partitionKey: '/id' });
    const byId = world.worker({ leases: database.container('by id') });
    await expect(byId.processor.start()).rejects.toThrow('partitioned by /id');
    expect([missing, noLeases, byId].map((one) => one.processor.isRunning)).toEqual([false, false, false]);
  });

  it('tells nothing of before its date, though a part of a range was never read when it was split and merged', async () => {
    await world.put(names(10));
    await world.pass(5_000);
    const { leases, checkpoints } = memoryRelationalStore({ clock: world.clock });
    const first = world.worker({ leases: { leases, checkpoints }, from: new Date(world.clock.now()) });
    await first.processor.start();
    await world.put(names(5, 10));
    await world.until(() => first.seen.length === 5);
    await first.processor.stop();
    for (const [name, { position, revision }] of await checkpoints.list('processor:work:range:')) {
      const { rid, Continuation } = JSON.parse(position);
      const [{ minInclusive: min, maxExclusive: max }] = Continuation;
      const middle = min === '' ? '01' : '7F';
      const parts = [
        { ...Continuation[0], maxExclusive: middle },
        { minInclusive: middle, maxExclusive: max, continuationToken: '' },
      ];
      const step = { name, expected: revision, position: JSON.stringify({ rid, Continuation: parts }) };
      await checkpoints.advance(step);
    }
    const next = world.worker({ leases: { leases, checkpoints } });
    await next.processor.start();
    await world.put(names(1, 15));
    await world.until(() => next.seen.includes('d015'));
    await world.pass(2_000);
    expect(next.seen.filter((id) => id < 'd010')).toEqual([]);
    expect(next.seen.length).toBeGreaterThan(1);
  });

  it('tells every version and each delete where the container keeps them', async () => {
    await world.orders.delete();
    const { container } = await world.database.containers.create({
      id: 'orders',
      partitionKey: '/pk',
      changeFeedPolicy: { retentionDuration: 10 },
    });
    const told: string[] = [];
    const worker = world.worker({
      mode: 'all-versions-and-deletes',
      from: 'now',
      leases: container,
      onChanges: (changes) =>
        void told.push(
          ...changes.map((one) => {
            const { metadata, current } = JSON.parse(JSON.stringify(one));
            return `${metadata.operationType} ${current?.n ?? ''}`;
          }),
        ),
    });
    await worker.processor.start();
    for (const n of [1, 2]) await container.items.upsert({ id: 'a', pk: 'p', n });
    await container.item('a', 'p').delete();
    await world.until(() => told.length >= 3);
    await world.pass(5_000);
    expect(told).toEqual(['create 1', 'replace 2', 'delete ']);
    const other = world.worker({ leases: container });
    await expect(other.processor.start()).rejects.toThrow('another mode');
  });

  it('refuses options that cannot work, all at once', () => {
    const wrong = {
      container: {},
      leases: null,
      name: '',
      from: 'yesterday',
      maxItems: 0,
      pollMs: 0.5,
      leaseMs: 5,
    };
    const make = () => Reflect.construct(ChangeFeedProcessor, [wrong]);
    expect(make).toThrow(InvalidOptionsError);
    for (const problem of [
      'container',
      'leases',
      'name',
      'from',
      'maxItems',
      'pollMs',
      'leaseMs',
      'onChanges',
      'onError',
    ])
      expect(make).toThrow(`- ${problem} must be`);
  });
});
