import { setTimeout as pause } from 'node:timers/promises';
import { describeWith, testDatabase } from '@polyphase/test-support/vitest';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { createBackfill } from '../src/index.ts';
import { FaultPlace, patiently, Writers } from './faults-place.ts';

const ALWAYS = 1_000_000;
// To the leases of these tests what a minute is to those of production: longer than each of them.
const LONG_MS = 1_500;

describeWith('postgres')('a Cosmos DB', { timeout: 60_000 }, () => {
  const database = testDatabase();
  let place: FaultPlace;
  beforeEach(async () => {
    place = await FaultPlace.make(database.url);
  });
  afterEach(() => place.close());

  test('that answers 429 for long while it is the authority: calls are throttled, the next step waits and says why', async () => {
    const process = await place.open('0');
    const alone = await place.open('0', { stores: 'cosmos' });
    const writers = new Writers([process, alone]);
    await writers.goOn();
    const busy = place.emulator.faults.add({ status: 429, retryAfterMs: 20, count: ALWAYS });
    await process.wish('2');
    await pause(LONG_MS);
    expect(await process.blocked('step')).toMatchObject({
      passed: false,
      seen: expect.stringContaining('Cosmos DB asks for less load (request units are used up)'),
    });
    await vi.waitFor(() => expect(writers.codes).toEqual(new Set(['throttled'])));
    busy.remove();
    await process.reached('2');
    expect(process.hybrid.status('notes').blockedBy).toEqual([]);
    expect(await writers.end()).toEqual([]);
    expect(await place.differences()).toEqual([]);
  });

  test('that answers 429 for long while PostgreSQL is the authority: calls go on, the way back waits and says why', async () => {
    const process = await place.open('6');
    await process.reached('6');
    // One of them walks, and the other hears from it why it does not get on.
    const other = await place.open('6');
    const writers = new Writers([process]);
    await writers.goOn();
    const busy = place.emulator.faults.add({ status: 429, retryAfterMs: 20, count: ALWAYS });
    await process.wish('2');
    await pause(LONG_MS);
    await writers.goOn();
    for (const each of [process, other])
      expect(await each.blocked('step')).toMatchObject({ seen: expect.stringContaining('less load') });
    expect(process.hybrid.status('notes').phase).toBe('6');
    expect(writers.codes).toEqual(new Set());
    busy.remove();
    await process.reached('2');
    expect(await writers.end()).toEqual([]);
    expect(await place.differences()).toEqual([]);
  });

  test('whose ranges split while history is copied', async () => {
    const owners = Array.from({ length: 6 }, (_, n) => `o${n}`);
    for (const owner of owners)
      await place.container.items.batch(
        Array.from({ length: 100 }, (_, id) => ({
          operationType: 'Create' as const,
          resourceBody: { id: `${id}`, owner, text: `old ${id}` },
        })),
        owner,
      );
    const process = await place.open('2');
    const { copied } = await vi.waitFor(
      () => {
        const status = process.hybrid.status('notes');
        expect(status.copied.read).toBeGreaterThan(0);
        return status;
      },
      { interval: 2, timeout: 10_000 },
    );
    expect(copied.historyRead).toBe(false);
    for (const range of ['0', '1']) place.emulator.split({ database: 'app', container: 'notes', range });
    const writers = new Writers([process]);
    await process.reached('2');
    await process.wish('6');
    await process.reached('6');
    expect(await writers.end()).toEqual([]);
    expect(await place.differences()).toEqual([]);
    expect(await place.stores.postgres.records(place.entity).count()).toBe(603);
    expect(await place.stores.postgres.journal.count('notes')).toEqual({ deadLetters: 0, conflicts: 0 });
  });

  test('whose container is made anew behind our back while it is the authority: PostgreSQL keeps the copy, and nothing goes on by itself', async () => {
    const process = await place.open('2');
    await process.reached('2');
    for (const id of ['1', '2']) await process.notes.create({ id, owner: 'a', text: id });
    expect(await place.differences()).toEqual([]);
    await place.container.delete();
    await process.wish('3');
    expect(await process.blocked('step')).toMatchObject({
      seen: expect.stringContaining('The container (or its database) does not exist; create it'),
    });
    await place.createContainer();
    await vi.waitFor(() => expect(process.hybrid.status('notes').blockedBy[0]?.seen).toContain('startOver'), {
      timeout: 10_000,
    });
    await startOver(place);
    // The gate compares, and finds that the new container lacks what the table has.
    await vi.waitFor(
      () =>
        expect(process.hybrid.status('notes').blockedBy).toMatchObject([
          {
            name: 'both stores hold the same',
            seen: expect.stringMatching(/2 differ: .*\(removed\)/),
            wanted: expect.stringContaining('or write it again'),
          },
        ]),
      { timeout: 20_000 },
    );
    expect(await place.stores.postgres.records(place.entity).count()).toBe(2);
    const { postgres } = place.stores;
    for await (const page of postgres.records(place.entity).scan())
      for (const { key } of page) {
        const value = { id: key.id, owner: 'a', text: `again ${key.id}` };
        await patiently(() => process.notes.upsert(value));
      }
    await process.reached('3');
    expect(await place.differences()).toEqual([]);
  });

  test('whose container is made anew while PostgreSQL is the authority: the permit is closed again, and the copy is made again when told to', async () => {
    const process = await place.open('6');
    await process.reached('6');
    const writers = new Writers([process]);
    await writers.goOn();
    await place.container.delete();
    await place.createContainer();
    // A process without PostgreSQL that comes now would take a container without a permit for its own.
    const { permits } = place.stores.cosmos;
    await vi.waitFor(
      async () => expect(await permits.read('notes')).toMatchObject({ open: false, term: 2 }),
      {
        timeout: 10_000,
      },
    );
    const alone = await place.open('0', { stores: 'cosmos' });
    await expect(alone.notes.create({ id: 'x', owner: 'a', text: 'x' })).rejects.toMatchObject({
      code: 'connection',
      message: expect.stringContaining('Nobody here knows yet which store is the authority; try again'),
    });
    await process.wish('2');
    expect((await process.blocked('step')).seen).toContain('startOver');
    await startOver(place);
    const { postgres } = place.stores;
    await postgres.prepare([place.entity]);
    await postgres.dirtyKeys.markAll('notes');
    await process.reached('2');
    expect(await writers.end()).toEqual([]);
    expect(await place.differences()).toEqual([]);
  });

  test('whose container is made anew while nobody looks: what a process without PostgreSQL adds comes along, and replaces nothing', async () => {
    const before = await place.open('6');
    await before.reached('6');
    await before.notes.create({ id: 'kept', owner: 'a', text: 'x' });
    expect(await place.differences()).toEqual([]);
    await before.hybrid.close();
    await place.container.delete();
    await place.createContainer();
    const alone = await place.open('0', { stores: 'cosmos', protocol: { hold: 50 } });
    await alone.notes.create({ id: 'new', owner: 'a', text: 'theirs' });
    await alone.notes.create({ id: 'kept', owner: 'a', text: 'theirs' });
    const process = await place.open('6');
    await process.reached('6');
    await vi.waitFor(
      () =>
        expect(alone.notes.upsert({ id: 'late', owner: 'a', text: 'x' })).rejects.toThrow(
          'no lease to write',
        ),
      { timeout: 10_000 },
    );
    await startOver(place);
    await vi.waitFor(
      async () => expect((await process.notes.get({ id: 'new', owner: 'a' }))?.value.text).toBe('theirs'),
      { timeout: 10_000 },
    );
    expect((await process.notes.get({ id: 'kept', owner: 'a' }))?.value.text).toBe('x');
  });
});

async function startOver({ stores, entity }: FaultPlace): Promise<void> {
  await using backfill = createBackfill({ stores, entities: [entity] });
  await backfill.startOver('notes');
}
