import { ConflictError, type JsonObject, SealedError, UnsupportedError } from '@polyphase/core';
import { memoryCacheStore } from '@polyphase/core/memory';
import { afterEach, describe, expect, it } from 'vitest';
import { Note, Other, VirtualWorld } from '../test/virtual-world.ts';

const note = (id: string, text = 'x') => ({ id, owner: 'a', text });
const key = (id: string) => ({ owner: 'a', id });
const open: VirtualWorld[] = [];
afterEach(async () => {
  for (const world of open.splice(0)) await world.close();
});

async function started(policy: JsonObject = { policy: 'cosmos-only' }): Promise<VirtualWorld> {
  const world = new VirtualWorld();
  open.push(world);
  await world.start();
  await world.wish({ ...policy, flip: 'auto' });
  return world;
}

async function inPhase(phase: string): Promise<VirtualWorld> {
  const policies: { readonly [Phase in string]: JsonObject } = {
    '0': { policy: 'cosmos-only' },
    '2': { policy: 'dual-write' },
    '6': { policy: 'postgres-primary' },
  };
  const world = await started(policies[phase]);
  await world.until(`phase ${phase}`, () => world.hybrid.status('notes').phase === phase);
  return world;
}

describe('Hybrid.transaction', () => {
  it.each(['0', '2', '6'])('commits all or nothing in phase %s, and sees its own writes', async (phase) => {
    const { hybrid } = await inPhase(phase);
    const notes = hybrid.repository(Note);
    const seen = await hybrid.transaction(async (unit) => {
      const inside = unit.repository(Note);
      await inside.create(note('1'));
      await inside.create(note('2'));
      await inside.patch(key('1'), { text: 'y' });
      return (await inside.get(key('1')))?.value.text;
    });
    expect(seen).toBe('y');
    expect((await notes.getMany([key('1'), key('2')])).map((one) => one?.value.text)).toEqual(['y', 'x']);

    const failure = new Error('no');
    const thrown = hybrid.transaction(async (unit) => {
      await unit.repository(Note).create(note('3'));
      throw failure;
    });
    await expect(thrown).rejects.toBe(failure);
    const conflict = hybrid.transaction(async (unit) => {
      await unit.repository(Note).create(note('4'));
      const version = (await notes.get(key('1')))?.version;
      await unit.repository(Note).replace(note('2'), { ifVersion: version });
    });
    await expect(conflict).rejects.toBeInstanceOf(ConflictError);
    expect(await notes.getMany([key('3'), key('4')])).toEqual([undefined, undefined]);
  });

  it('takes effect once when it is repeated under its operation id', async () => {
    const { hybrid, cosmos } = await inPhase('2');
    const work = () =>
      hybrid.transaction(
        async (unit) => {
          await unit.repository(Note).upsert(note('1', 'a'));
          await unit.repository(Note).upsert(note('2', 'a'));
        },
        { operationId: 'once' },
      );
    await work();
    const first = await cosmos.records(Note).read({ partition: ['a'], id: '1' });
    await hybrid.repository(Note).upsert(note('1', 'later'));
    await work();
    expect((await hybrid.repository(Note).get(key('1')))?.value.text).toBe('later');
    expect((await cosmos.records(Note).read({ partition: ['a'], id: '1' }))?.version.counter).toBe(
      (first?.version.counter ?? 0) + 1,
    );
  });

  it('makes the second write of the dual phases at once', async () => {
    const { hybrid, postgres } = await inPhase('2');
    await hybrid.transaction((unit) => unit.repository(Note).create(note('1')));
    const copy = await postgres.records(Note).read({ partition: ['a'], id: '1' });
    expect(copy?.value).toEqual(note('1'));
  });

  it('refuses entities whose authority is another', async () => {
    const world = await inPhase('6');
    const mixed = world.hybrid.transaction(async (unit) => {
      await unit.repository(Note).create(note('1'));
      await unit.repository(Other).create(note('1'));
    });
    await expect(mixed).rejects.toBeInstanceOf(UnsupportedError);
    expect(await world.hybrid.repository(Note).get(key('1'))).toBeUndefined();
    expect(await world.hybrid.repository(Other).get(key('1'))).toBeUndefined();
  });

  it('commits without an entity that was refused, when the work goes on', async () => {
    const world = await inPhase('6');
    await world.hybrid.transaction(async (unit) => {
      await unit.repository(Note).create(note('1'));
      await expect(unit.repository(Other).create(note('1'))).rejects.toBeInstanceOf(UnsupportedError);
    });
    expect((await world.hybrid.repository(Note).get(key('1')))?.value.text).toBe('x');
  });

  it('has no SQL over a store that has none', async () => {
    const { hybrid } = await inPhase('6');
    const asks = hybrid.transaction(async (unit) => unit.kysely);
    await expect(asks).rejects.toBeInstanceOf(UnsupportedError);
  });

  it('ends in a seal under the lease it began with; the flip waits, and what it wrote moves along', async () => {
    const world = await inPhase('2');
    await world.wish({ policy: 'postgres-primary', flip: 'manual' });
    const blocked = () => world.hybrid.status('notes').blockedBy.map((one) => one.name);
    await world.until('armed', () => blocked().includes('flip allowed'));
    let finish: () => void = () => undefined;
    const waiting = new Promise<void>((resolve) => {
      finish = resolve;
    });
    const running = world.hybrid.transaction(async (unit) => {
      await unit.repository(Note).create(note('1'));
      await waiting;
      await unit.repository(Note).create(note('2'));
    });
    await world.wish({ policy: 'postgres-primary', flip: 'auto' });
    await world.until('the seal', () => world.hybrid.status('notes').phase === '5');
    const held = world.hybrid.repository(Note).create(note('3'));
    await world.clock.advance(50);
    expect(world.hybrid.status('notes').phase).toBe('5');
    finish();
    await world.passing(Promise.all([running, held]));
    await world.until('phase 6', () => world.hybrid.status('notes').phase === '6');
    const found = await world.hybrid.repository(Note).getMany(['1', '2', '3'].map(key));
    expect(found.map((one) => one?.value.id)).toEqual(['1', '2', '3']);
  });

  it('keeps a flip waiting no longer than a seal may last; then calls go on where they were', async () => {
    const world = await inPhase('2');
    let finish: () => void = () => undefined;
    const waiting = new Promise<void>((resolve) => {
      finish = resolve;
    });
    const running = world.hybrid.transaction(async (unit) => {
      await unit.repository(Note).create(note('1'));
      await waiting;
    });
    await world.wish({ policy: 'postgres-primary', flip: 'auto' });
    await world.until('the seal', () => world.hybrid.status('notes').phase === '5');
    await world.until('given up', () => world.hybrid.status('notes').phase === '4');
    expect(world.hybrid.status('notes').blockedBy).toMatchObject([{ name: 'flip' }]);
    await world.passing(world.hybrid.repository(Note).create(note('2')));
    finish();
    // It ran past every lease, so nobody knows what became of it until it is repeated.
    await expect(world.passing(running)).rejects.toMatchObject({ code: 'unknown-outcome' });
  });

  it('lets go of its place when no lease can be had, so that flips go on', async () => {
    const world = await inPhase('2');
    const permit = await world.cosmos.permits.read('notes');
    if (!permit) throw new Error('no permit');
    await world.clock.advance(1_000);
    await world.cosmos.permits.project(
      'notes',
      { ...permit, epoch: permit.epoch + 1, open: false },
      { over: permit.epoch },
    );
    const refused = world.hybrid.transaction((unit) => unit.repository(Note).create(note('1')));
    await expect(refused).rejects.toBeInstanceOf(SealedError);
    await world.wish({ policy: 'postgres-primary', flip: 'auto' });
    await world.until('phase 6', () => world.hybrid.status('notes').phase === '6');
  });

  it('refuses calls that are made when it has ended', async () => {
    const { hybrid } = await inPhase('0');
    const escaped = await hybrid.transaction(async (unit) => unit);
    await expect(escaped.repository(Note).get(key('1'))).rejects.toMatchObject({ code: 'invalid-options' });
  });

  it('drops what it wrote from the cache', async () => {
    const world = new VirtualWorld({ cache: memoryCacheStore });
    open.push(world);
    await world.start();
    await world.wish({ policy: 'cached', ttl: '5m', over: { policy: 'cosmos-only' } });
    const notes = world.hybrid.repository(Note);
    await notes.create(note('1'));
    expect((await notes.get(key('1')))?.value.text).toBe('x');
    await world.hybrid.transaction((unit) => unit.repository(Note).patch(key('1'), { text: 'y' }));
    expect((await notes.get(key('1')))?.value.text).toBe('y');
  });
});
