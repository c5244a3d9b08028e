import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { liveEndpoint } from './cosmos-setup.ts';
import { makeWorld, names, type World } from './processor-world.ts';

describe.skipIf(liveEndpoint !== undefined)('a processor (needs the emulator’s clock)', () => {
  let world: World;
  beforeEach(async () => {
    world = await makeWorld(2);
  });
  afterEach(async () => {
    await world.close();
  });

  it('hands over what there is and what comes, once each, and goes on there when it is started again', async () => {
    await world.put(names(30));
    const worker = world.worker({ maxItems: 4 });
    await worker.processor.start();
    await world.until(() => worker.seen.length >= 30);
    await world.put(names(5, 30));
    await world.until(() => worker.seen.length >= 35);
    expect(worker.seen.toSorted()).toEqual(names(35));
    await worker.processor.stop();

    await world.put(names(3, 35));
    await worker.processor.start();
    await world.until(() => worker.seen.length >= 38);
    expect(worker.seen.toSorted()).toEqual(names(38));
    expect(worker.troubles).toEqual([]);
  });

  it('tells documents as they are, and keeps changes of one key in their order', async () => {
    const told: unknown[] = [];
    const worker = world.worker({ maxItems: 1, onChanges: (changes) => void told.push(...changes) });
    await worker.processor.start();
    for (let n = 0; n < 5; n += 1) {
      await world.put(['a'], { n, nested: { list: [n, null] } });
      await world.until(() => worker.seen.length > n);
    }
    expect(told).toMatchObject([0, 1, 2, 3, 4].map((n) => ({ id: 'a', n, nested: { list: [n, null] } })));
    expect(told[0]).toHaveProperty('_etag');
  });

  it('begins now, or at a date, where the first of its name was told so', async () => {
    await world.put(names(10));
    await world.pass(5_000);
    const date = new Date(world.clock.now());
    await world.put(names(10, 10));
    const [now, dated, other] = [
      world.worker({ name: 'now', from: 'now' }),
      world.worker({ name: 'dated', from: date }),
      world.worker({ name: 'other' }),
    ];
    for (const one of [now, dated, other]) await one.processor.start();
    // Before the first page was read: the halves begin where the whole would have.
    world.split();
    await world.put(names(2, 20));
    await world.until(() => other.seen.length >= 22 && now.seen.length >= 2 && dated.seen.length >= 12);
    await world.pass(10_000);
    expect(now.seen.toSorted()).toEqual(names(2, 20));
    expect(dated.seen.toSorted()).toEqual(names(12, 10));
    expect(other.seen.toSorted()).toEqual(names(22));
    // Who comes later goes on, whatever it was told.
    await now.processor.stop();
    const later = world.worker({ name: 'now', from: 'beginning' });
    await later.processor.start();
    await world.put(names(1, 22));
    await world.until(() => later.seen.length >= 1);
    expect(later.seen).toEqual(names(1, 22));
  });

  it('hands a page over again until the handler takes it, and nothing behind it meanwhile', async () => {
    let failures = 0;
    const worker = world.worker({
      maxItems: 1,
      onChanges: ([change], { range }) => {
        if (change?.['id'] !== 'bad' || failures >= 3) return;
        failures += 1;
        throw new Error(`no, says ${range}`);
      },
    });
    await world.orders.items.create({ id: 'first', pk: 'p' });
    await worker.processor.start();
    await world.until(() => worker.seen.length >= 1);
    await world.orders.items.create({ id: 'bad', pk: 'p' });
    await world.orders.items.create({ id: 'behind', pk: 'p' });
    await world.until(() => failures === 1);
    const lag = (await worker.processor.estimateLag()).find((one) => one.changes > 0);
    expect(lag?.changes).toBe(2);
    await world.until(() => worker.seen.includes('behind'));
    expect(worker.seen).toEqual(['first', 'bad', 'bad', 'bad', 'bad', 'behind']);
    expect(worker.contexts.map((one) => one.attempt)).toEqual([1, 1, 2, 3, 4, 1]);
    expect(worker.troubles).toMatchObject(
      Array.from({ length: 3 }, () => ({ where: 'handler', isFatal: false, range: lag?.range })),
    );
    expect(String(worker.troubles[0]?.error)).toContain('no, says');
  });

  it('lets handlers end when it stops, notes what they took, and begins no other', async () => {
    let finish = () => undefined as void;
    const worker = world.worker({
      maxItems: 1,
      onChanges: () => new Promise<void>((resolve) => (finish = resolve)),
    });
    for (const id of ['one', 'two']) await world.orders.items.create({ id, pk: 'p' });
    await worker.processor.start();
    await world.until(() => worker.seen.length === 1);
    let isStopped = false;
    const stopped = worker.processor.stop({ drainMs: 60_000 }).then(() => (isStopped = true));
    // Longer than a lease: it is renewed until the end.
    await world.pass(40_000);
    expect([isStopped, worker.contexts[0]?.signal.aborted]).toEqual([false, false]);
    finish();
    await world.until(() => isStopped);
    await stopped;
    expect(worker.seen).toEqual(['one']);
    expect(worker.processor.isRunning).toBe(false);
    // What it had is free at once, and goes on behind what was taken.
    const next = world.worker();
    await next.processor.start();
    const before = world.clock.monotonic();
    await world.until(() => next.seen.length >= 1);
    expect(next.seen).toEqual(['two']);
    expect(world.clock.monotonic() - before).toBeLessThan(5_000);
  });

  it('tells handlers that do not end in time to stop, and hands their page over elsewhere', async () => {
    const worker = world.worker({ onChanges: () => new Promise<void>(() => undefined) });
    await world.put(['one']);
    await worker.processor.start();
    await world.until(() => worker.seen.length === 1);
    let isStopped = false;
    const stopped = worker.processor.stop({ drainMs: 3_000 }).then(() => (isStopped = true));
    await world.pass(2_900);
    expect([isStopped, worker.contexts[0]?.signal.aborted]).toEqual([false, false]);
    await world.until(() => isStopped);
    await stopped;
    expect(worker.contexts[0]?.signal.aborted).toBe(true);
    const next = world.worker();
    await next.processor.start();
    await world.until(() => next.seen.length === 1);
    expect(next.seen).toEqual(['one']);
  });

  it('tells how far it is behind in each range, from any process, at work or not', async () => {
    const watcher = world.worker();
    expect(await watcher.processor.estimateLag()).toEqual([]);
    const worker = world.worker();
    await worker.processor.start();
    await world.put(names(20));
    await world.until(() => worker.seen.length === 20);
    await world.pass(1_000);
    const rest = await watcher.processor.estimateLag();
    expect(rest.map(({ changes, ms }) => [changes, ms])).toEqual([
      [0, 0],
      [0, 0],
    ]);
    expect(new Set(rest.map((one) => one.holder)).size).toBe(1);
    await worker.processor.stop();
    await world.put(names(5, 20));
    await world.pass(7_000);
    await world.put(names(5, 25));
    const behind = await watcher.processor.estimateLag();
    expect(behind.reduce((sum, one) => sum + one.changes, 0)).toBe(10);
    expect(Math.max(...behind.map((one) => one.ms))).toBe(7_000);
    expect(behind.map((one) => one.holder)).toEqual([undefined, undefined]);
    world.split();
    const split = await watcher.processor.estimateLag();
    // Halves have one sequence until they are written to: more is estimated, never less.
    expect(split).toHaveLength(3);
    expect(split.reduce((sum, one) => sum + one.changes, 0)).toBeGreaterThanOrEqual(10);
  });

  it('keeps leases and checkpoints beside the documents without telling of them, or of itself', async () => {
    await world.put(names(5));
    const worker = world.worker({ leases: world.orders });
    await worker.processor.start();
    await world.until(() => worker.seen.length === 5);
    await world.pass(5_000);
    const before = world.emulator.stats.requests;
    await world.pass(20_000);
    expect(worker.seen.toSorted()).toEqual(names(5));
    // Two ranges looked at five times a second, leases, and the container: no checkpoint follows another.
    expect(world.emulator.stats.requests - before).toBeLessThan(450);
  });
});
