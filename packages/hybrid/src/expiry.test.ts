import { defineEntity, type JsonObject, type StoredRecord } from '@polyphase/core';
import { afterEach, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { FaultPlan } from '../test/faulty-stores.ts';
import { VirtualWorld } from '../test/virtual-world.ts';

const Visit = defineEntity({
  name: 'notes',
  schema: z.object({ id: z.string(), owner: z.string(), text: z.string(), rank: z.number().optional() }),
  key: { partition: 'owner', id: 'id' },
  indexes: [{ fields: ['text'] }, { fields: ['rank'] }],
  ttl: '10m',
});
const POLICIES: { readonly [phase in string]: JsonObject } = {
  '2': { policy: 'dual-write' },
  '3': { policy: 'dual-write', reads: 'postgres' },
  '6': { policy: 'postgres-primary' },
};

const open: VirtualWorld[] = [];
afterEach(async () => {
  for (const world of open.splice(0)) await world.close();
});

const id = { id: '1', owner: 'a' };
const key = { partition: ['a'], id: '1' };
const body = (fields: JsonObject = {}): JsonObject => ({ ...id, text: 'theirs', ...fields });

async function inPhase(phase: string, plan?: FaultPlan): Promise<VirtualWorld> {
  const world = new VirtualWorld({ note: Visit });
  open.push(world);
  await world.start(plan);
  await world.wish({ ...POLICIES[phase], flip: 'auto' });
  await world.until(phase, () => world.hybrid.status('notes').phase === phase);
  await world.clock.advance(500);
  return world;
}

const inCosmos = (world: VirtualWorld) => world.cosmos.records(Visit).read(key);
const inPostgres = (world: VirtualWorld) => world.postgres.records(Visit).read(key);
const momentOf = (record: StoredRecord | undefined) => record?.expiresAtMs ?? 'never';
const both = async (world: VirtualWorld) => [
  momentOf(await inCosmos(world)),
  momentOf(await inPostgres(world)),
];
const live = async (world: VirtualWorld) =>
  [await inCosmos(world), await inPostgres(world)].map((record) => record?.value !== undefined);

/** Goes on to a quarter of a second before a moment, and to as much after it. */
async function around(
  world: VirtualWorld,
  moment: number,
  look: (isOver: boolean) => Promise<void>,
): Promise<void> {
  await world.clock.advance(moment - world.clock.now() - 250);
  await look(false);
  await world.clock.advance(500);
  await look(true);
}

describe('while Cosmos DB is the authority', () => {
  it.each(['2', '3'])(
    'in phase %s a document of another program ends in both stores at once',
    async (phase) => {
      const world = await inPhase(phase);
      await world.cosmos.foreign.put(Visit, body({ ttl: 30 }));
      const moment = momentOf(await inCosmos(world));
      await world.clock.advance(2_000);
      expect(await both(world)).toEqual([moment, moment]);
      expect((await inCosmos(world))?.version.term).toBe(1);
      await around(world, Number(moment), async (isOver) =>
        expect(await live(world)).toEqual([!isOver, !isOver]),
      );
      expect(await world.differences()).toEqual([]);
    },
  );

  it.each(['2', '3'])('in phase %s a clock that another program started anew is followed', async (phase) => {
    const world = await inPhase(phase);
    await world.hybrid.repository(Visit).create({ ...id, text: 'ours' }, { ttl: '30s' });
    const before = Number(momentOf(await inCosmos(world)));
    await world.clock.advance(20_000);
    const ours = (await inCosmos(world))?.value ?? {};
    await world.cosmos.foreign.put(Visit, ours, { keepStamp: true });
    await world.clock.advance(2_000);
    expect(await both(world)).toEqual([before + 20_000, before + 20_000]);
    expect(await world.differences()).toEqual([]);
  });

  it('what expired before it was read, or while its page was on its way, does not come back', async () => {
    const world = await inPhase('2');
    await world.close();
    await world.cosmos.foreign.put(Visit, body({ ttl: 5 }));
    const record = await inCosmos(world);
    await world.clock.advance(10_000);
    await world.start();
    await world.clock.advance(2_000);
    if (!record) throw new Error('no record');
    const late = { ...record, version: { term: 1, counter: 9 } };
    await world.postgres.records(Visit).apply([{ record: late }]);
    await world.cosmos.records(Visit).apply([{ record: late, ifEtag: record.etag }]);
    expect(await live(world)).toEqual([false, false]);
    expect(await world.differences()).toEqual([]);
  });
});

describe('while PostgreSQL is the authority', () => {
  it('a record ends in both stores at once', async () => {
    const world = await inPhase('6');
    await world.hybrid.repository(Visit).create({ ...id, text: 'ours' }, { ttl: '30s' });
    await world.clock.advance(2_000);
    const [moment, other] = await both(world);
    expect(other).toBe(moment);
    await around(world, Number(moment), async (isOver) =>
      expect(await live(world)).toEqual([!isOver, !isOver]),
    );
  });

  it('a clock that another program started anew under our stamp is put right, and nothing is to decide', async () => {
    const world = await inPhase('6');
    await world.hybrid.repository(Visit).create({ ...id, text: 'ours' }, { ttl: '30s' });
    await world.clock.advance(20_000);
    const moment = momentOf(await inPostgres(world));
    await world.cosmos.foreign.put(Visit, (await inCosmos(world))?.value ?? {}, { keepStamp: true });
    expect(momentOf(await inCosmos(world))).not.toBe(moment);
    await world.clock.advance(2_000);
    expect(await both(world)).toEqual([moment, moment]);
    expect(await world.postgres.journal.count('notes')).toEqual({ deadLetters: 0, conflicts: 0 });
  });

  it('such a clock is put right by the next process, when one dies over it', async () => {
    const fault = { isArmed: false };
    const plan = new FaultPlan({
      faultAt: (_, name) => (fault.isArmed && name === 'postgres.records.apply' ? 'crash after' : undefined),
    });
    const world = await inPhase('6', plan);
    await world.hybrid.repository(Visit).create({ ...id, text: 'ours' }, { ttl: '30s' });
    await world.clock.advance(20_000);
    const moment = momentOf(await inPostgres(world));
    fault.isArmed = true;
    await world.cosmos.foreign.put(Visit, (await inCosmos(world))?.value ?? {}, { keepStamp: true });
    await world.clock.advance(2_000);
    expect(world.plan.isDead).toBe(true);
    await world.revive();
    await world.clock.advance(2_000);
    expect(await both(world)).toEqual([moment, moment]);
  });

  it('a record that ended before it was copied takes the older document with it', async () => {
    const world = await inPhase('6');
    const visits = world.hybrid.repository(Visit);
    await visits.create({ ...id, text: 'ours' }, { ttl: null });
    await world.clock.advance(2_000);
    expect(await live(world)).toEqual([true, true]);
    await visits.patch(id, { text: 'short' }, { ttl: '1s' });
    world.plan.kill();
    await world.clock.advance(5_000);
    expect(await live(world)).toEqual([true, false]);
    await world.revive();
    await world.clock.advance(5_000);
    expect(await live(world)).toEqual([false, false]);
    expect(await inCosmos(world)).toBeUndefined();
  });
});
