import { setTimeout as pause } from 'node:timers/promises';
import { describeWith, testDatabase } from '@polyphase/test-support/vitest';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { FaultPlace, Writers } from './faults-place.ts';

describeWith('postgres')('config and controllers, on real engines', { timeout: 60_000 }, () => {
  const database = testDatabase();
  let place: FaultPlace;
  beforeEach(async () => {
    place = await FaultPlace.make(database.url);
  });
  afterEach(() => place.close());

  test('that jumps from 0 to 7 walks every phase, and waits at each gate that refuses', async () => {
    const process = await place.open('0', { protocol: { soak: '1s' } });
    const writers = new Writers([process]);
    await writers.goOn();
    await process.wish('7');
    expect(await process.blocked('soaked')).toMatchObject({ wanted: '1000 ms' });
    expect(process.hybrid.status('notes')).toMatchObject({ phase: '6', wanted: '7', term: 2 });
    await process.reached('7');
    expect(process.phases.join(' ')).toMatch(/^1 2 3 (4 5 )+6 7$/);
    expect(process.hybrid.status('notes').blockedBy).toEqual([]);
    expect(await writers.end()).toEqual([]);
  });

  test('that flaps goes along from wherever it is, and ends where it was wished last', async () => {
    const one = await place.open('2');
    const other = await place.open('2');
    await one.reached('2');
    const writers = new Writers([one, other]);
    for (let i = 0; i < 8; i += 1) {
      await (i % 2 === 0 ? one : other).wish(i % 4 < 2 ? '6' : '0');
      await pause(250);
    }
    await one.wish('6');
    await one.reached('6');
    await other.reached('6');
    expect(await writers.end()).toEqual([]);
    expect(await place.differences()).toEqual([]);
  });

  // Deleted again and again, the lease is granted to whoever asks, so that each takes itself for the only one.
  test('of which two walk at once move the authority once, and lose nothing', async () => {
    const both = [await place.open('2'), await place.open('2')] as const;
    const [one, other] = both;
    await one.reached('2');
    const writers = new Writers(both);
    await writers.goOn();
    const over = new AbortController();
    const stealing = (async () => {
      while (!over.signal.aborted)
        await place.pool.query("delete from polyphase.lease where name = 'controller:notes'");
    })();
    for (const [wanted, term] of [
      ['6', 2],
      ['2', 3],
      ['6', 4],
    ] as const) {
      await one.wish(wanted);
      for (const each of both) await each.reached(wanted);
      expect(other.hybrid.status('notes').term).toBe(term);
    }
    over.abort();
    await stealing;
    expect(await writers.end()).toEqual([]);
    expect(await place.differences()).toEqual([]);
  });
});
