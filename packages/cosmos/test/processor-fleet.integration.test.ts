import { memoryRelationalStore } from '@polyphase/core/memory';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { liveEndpoint } from './cosmos-setup.ts';
import { LEASE_MS, LEASE_OVER_MS, makeWorld, names, type Worker, type World } from './processor-world.ts';

const RANGES = 4;

/** How many ranges each holder has; 0 under undefined: every range has one. */
async function shares({ processor }: Worker): Promise<readonly number[]> {
  const lags = await processor.estimateLag();
  const holders = lags.map((lag) => lag.holder);
  if (holders.includes(undefined)) return [];
  return [...new Set(holders)].map((holder) => holders.filter((one) => one === holder).length);
}

describe.skipIf(liveEndpoint !== undefined)('processors of one name (needs the emulator’s clock)', () => {
  let world: World;
  beforeEach(async () => {
    world = await makeWorld(RANGES);
  });
  afterEach(async () => {
    await world.close();
  });

  it('share the ranges as they come and go, and hand over each change once', async () => {
    const [first, second, third] = [world.worker(), world.worker(), world.worker()];
    await first.processor.start();
    await world.until(async () => (await shares(first)).join() === '4');
    await second.processor.start();
    await world.until(async () => (await shares(first)).join() === '2,2');
    await world.put(names(40));
    await world.until(() => first.seen.length + second.seen.length >= 40);
    expect([...first.seen, ...second.seen].toSorted()).toEqual(names(40));
    // Fair: the keys lie over all ranges, so both have some.
    expect(Math.min(first.seen.length, second.seen.length)).toBeGreaterThan(5);

    await third.processor.start();
    await world.until(async () => (await shares(first)).toSorted((a, b) => a - b).join() === '1,1,2');
    await second.processor.stop();
    const before = world.clock.monotonic();
    await world.until(async () => (await shares(first)).join() === '2,2');
    // Who leaves is not waited for.
    expect(world.clock.monotonic() - before).toBeLessThan(LEASE_MS);
    await world.put(names(20, 40));
    const all = () => [first, second, third].flatMap((one) => one.seen);
    await world.until(() => all().length >= 60);
    expect(all().toSorted()).toEqual(names(60));
    expect([first, second, third].flatMap((one) => one.troubles)).toEqual([]);
  });

  it('take over what one had that died, after its leases, from what it had noted', async () => {
    const dying = world.worker({ maxItems: 1 });
    await dying.processor.start();
    await world.put(names(12));
    // In the middle of a page: the handler took it, and nobody noted that.
    await world.until(() => dying.seen.length >= 6);
    dying.pause();
    const begun = dying.seen.length;
    const other = world.worker();
    await other.processor.start();
    await world.pass(LEASE_MS - 2_000);
    expect(other.seen).toEqual([]);
    await world.until(() => new Set([...dying.seen, ...other.seen]).size === 12);
    await world.pass(LEASE_MS);
    expect(dying.seen).toHaveLength(begun);
    // At least once: in each range, no more than the page that was under way comes again.
    expect(other.seen.length).toBeLessThanOrEqual(12 - begun + RANGES);
    expect(await shares(other)).toEqual([RANGES]);
  });

  it('hand over again what was taken when its processor died before it was noted', async () => {
    const dying: Worker = world.worker({ onChanges: () => dying.pause() });
    await world.orders.items.create({ id: 'one', pk: 'p' });
    await dying.processor.start();
    await world.until(() => dying.seen.length === 1);
    const other = world.worker();
    await other.processor.start();
    await world.until(() => other.seen.length === 1);
    await world.pass(LEASE_OVER_MS);
    expect([dying.seen, other.seen]).toEqual([['one'], ['one']]);
  });

  it('tell the handler of one that was paused past its lease, and move nothing on its behalf', async () => {
    let finish = () => undefined as void;
    const paused = world.worker({
      onChanges: () => new Promise<void>((resolve) => (finish = resolve)),
    });
    await world.orders.items.create({ id: 'one', pk: 'p' });
    await paused.processor.start();
    await world.until(() => paused.seen.length === 1);
    const [context] = paused.contexts;
    paused.pause();
    const other = world.worker();
    await other.processor.start();
    await world.until(() => other.seen.length === 1);
    await world.orders.items.create({ id: 'two', pk: 'p' });
    await world.until(() => other.seen.length === 2);
    paused.resume();
    await world.pass(200);
    expect(context?.signal.aborted).toBe(true);
    expect(other.contexts[0]?.fencingToken).toBeGreaterThan(context?.fencingToken ?? Number.NaN);
    finish();
    await world.pass(1_000);
    // Nothing went back, or forth.
    await other.processor.stop();
    await paused.processor.stop({ drainMs: 0 });
    const third = world.worker();
    await third.processor.start();
    await world.orders.items.create({ id: 'three', pk: 'p' });
    await world.until(() => third.seen.length > 0);
    expect(third.seen).toEqual(['three']);
  });

  it('go on with the halves of a range that is split while they work, and share those too', async () => {
    const [first, second] = [world.worker({ maxItems: 2 }), world.worker({ maxItems: 2 })];
    const all = () => [...first.seen, ...second.seen];
    for (const one of [first, second]) await one.processor.start();
    await world.put(names(30));
    await world.until(() => all().length >= 10);
    world.split('0');
    world.split('1');
    await world.put(names(30, 30));
    await world.until(() => all().length >= 60);
    await world.until(async () => (await shares(first)).join() === '3,3');
    await world.put(names(10, 60));
    await world.until(() => all().length >= 70);
    expect(all().toSorted()).toEqual(names(70));
    for (const one of [first, second]) await one.processor.stop();
    // And again after a restart, of halves that were split while nobody was there.
    world.split('2');
    const third = world.worker();
    await world.put(names(10, 70));
    await third.processor.start();
    await world.until(() => third.seen.length >= 10);
    await world.pass(LEASE_MS);
    expect(third.seen.toSorted()).toEqual(names(10, 70));
    expect((await third.processor.estimateLag()).map((lag) => lag.holder)).not.toContain(undefined);
    // The wholes are gone, from leases and checkpoints alike.
    const noted = `SELECT VALUE COUNT(1) FROM c WHERE STARTSWITH(c.id, "hyb:checkpoint:processor:work:range:")`;
    const leases = world.database.container('leases');
    expect((await leases.items.query(noted).fetchAll()).resources).toEqual([RANGES + 3]);
  });

  it('put the halves in the place of the whole though one dies at each step of that', async () => {
    const faults = [
      // The first half, the second, and the end of the whole: refused, or done without an answer.
      { operation: 'batch', reset: 'before' },
      { operation: 'batch', reset: 'after' },
      { operation: 'delete', reset: 'before' },
      { operation: 'delete', reset: 'after' },
    ] as const;
    await world.put(names(20));
    let worker = world.worker();
    await worker.processor.start();
    await world.until(() => worker.seen.length === 20);
    // Until that is noted, too: what strikes then strikes the split.
    await world.pass(1_000);
    const seen: string[] = [];
    for (const [i, fault] of faults.entries()) {
      const [range] = (await world.orders.readPartitionKeyRanges().fetchAll()).resources;
      const dying = worker;
      const strike = world.emulator.faults.add({ ...fault, container: 'leases' });
      world.split(range?.id);
      await world.until(() => strike.hits > 0);
      dying.pause();
      strike.remove();
      worker = world.worker();
      await worker.processor.start();
      await world.put([`after ${i}`]);
      await world.until(() => worker.seen.length > 0);
      await world.pass(LEASE_OVER_MS);
      const lags = await worker.processor.estimateLag();
      expect(lags.map((lag) => lag.holder)).not.toContain(undefined);
      seen.push(...worker.seen);
    }
    expect(seen).toEqual(faults.map((_, i) => `after ${i}`));
  });

  it('keep leases and checkpoints in another store', async () => {
    const { leases, checkpoints } = memoryRelationalStore({ clock: world.clock });
    const [first, second] = [
      world.worker({ leases: { leases, checkpoints } }),
      world.worker({ leases: { leases, checkpoints } }),
    ];
    for (const one of [first, second]) await one.processor.start();
    await world.until(async () => (await shares(first)).join() === '2,2');
    await world.put(names(20));
    await world.until(() => first.seen.length + second.seen.length >= 20);
    expect([...first.seen, ...second.seen].toSorted()).toEqual(names(20));
    expect((await checkpoints.list('processor:work:range:')).size).toBe(RANGES);
  });
});
