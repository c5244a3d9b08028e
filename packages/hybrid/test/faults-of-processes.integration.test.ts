import { describeWith, testDatabase } from '@polyphase/test-support/vitest';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { FaultPlace, type FaultProcess, type Wanted } from './faults-place.ts';
import { Service } from './faults-service.ts';

const KEY = { owner: 'a', id: '1' };

// Each is stopped for longer than every lease of these tests, as by a minute for those of production.
describeWith('postgres')('a process that is stopped in the middle of a write', { timeout: 60_000 }, () => {
  const database = testDatabase();
  const closing: (() => Promise<unknown>)[] = [];
  let place: FaultPlace;
  beforeEach(async () => {
    place = await FaultPlace.make(database.url);
    closing.push(() => place.close());
  });
  afterEach(async () => {
    for (const close of closing.splice(0).toReversed()) await close();
  });

  async function service(phase: Wanted): Promise<Service> {
    const server = await place.emulator.listen({ host: '127.0.0.1' });
    closing.push(() => server.close());
    const { key } = place.emulator;
    const config = place.config(phase);
    const started = await Service.start({ endpoint: server.url, key, postgresUrl: database.url, config });
    closing.push(() => started.kill());
    return started;
  }

  async function walkerIn(phase: Wanted): Promise<FaultProcess> {
    const walker = await place.open(phase);
    await walker.reached(phase);
    await walker.notes.create({ ...KEY, text: 'first' });
    return walker;
  }

  test.each(['before', 'after'] as const)(
    'that arrives in Cosmos DB %s the authority has moved is told as unknown, and takes effect once',
    async (when) => {
      const walker = await walkerIn('2');
      const stopped = await service('2');
      const gate = Promise.withResolvers<void>();
      const write = place.emulator.faults.add({ operation: 'replace', item: '1', gate: gate.promise });
      stopped.tell({ kind: 'write', text: 'second', operationId: 'op' });
      await expect.poll(() => write.hits).toBe(1);
      stopped.stop();
      if (when === 'before') gate.resolve();
      await walker.wish('6');
      await walker.reached('6');
      const seen = await walker.notes.get(KEY);
      expect(seen?.value.text).toBe(when === 'before' ? 'second' : 'first');
      gate.resolve();
      await vi.waitFor(async () => {
        const { resource } = await place.container.item('1', 'a').read<{ text: string }>();
        expect(resource?.text).toBe('second');
      });
      stopped.continue();
      expect(await stopped.hear()).toEqual({
        kind: 'refused',
        code: 'unknown-outcome',
        message: expect.stringContaining('repeat it with the same operation id'),
      });
      stopped.tell({ kind: 'write', text: 'second', operationId: 'op' });
      expect(await stopped.hear()).toEqual({ kind: 'acknowledged' });
      expect((await walker.notes.get(KEY))?.value.text).toBe('second');
      expect(await place.differences()).toEqual([]);
      const row = await place.stores.postgres.records(place.entity).read({ partition: ['a'], id: '1' });
      expect(row?.operations.filter(({ id }) => id === 'op')).toHaveLength(1);
    },
  );

  test('in a unit of work keeps the way back from going on, is named, and others write meanwhile', async () => {
    const walker = await walkerIn('6');
    const stopped = await service('6');
    stopped.tell({ kind: 'unit', text: 'second', operationId: 'op' });
    expect(await stopped.hear()).toEqual({ kind: 'in the unit' });
    stopped.stop();
    await walker.wish('2');
    expect(await walker.blocked('flip')).toMatchObject({
      seen: expect.stringContaining(
        'a process that stands still in a unit of work keeps its transaction open',
      ),
    });
    await walker.notes.create({ id: '2', owner: 'a', text: 'other' });
    stopped.continue();
    stopped.tell('go on');
    expect(await stopped.hear()).toEqual({ kind: 'acknowledged' });
    await walker.reached('2');
    expect((await walker.notes.get(KEY))?.value.text).toBe('second');
    expect(await place.differences()).toEqual([]);
  });

  test('in a unit of work and killed there: nothing of the unit is written, and the way back goes on', async () => {
    const walker = await walkerIn('6');
    const stopped = await service('6');
    stopped.tell({ kind: 'unit', text: 'second', operationId: 'op' });
    expect(await stopped.hear()).toEqual({ kind: 'in the unit' });
    stopped.stop();
    await walker.wish('2');
    await walker.blocked('flip');
    await stopped.kill();
    await walker.reached('2');
    expect((await walker.notes.get(KEY))?.value.text).toBe('first');
    expect(await place.differences()).toEqual([]);
  });
});
