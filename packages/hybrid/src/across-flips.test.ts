import { ConflictError } from '@polyphase/core';
import { memoryCacheStore } from '@polyphase/core/memory';
import { afterEach, describe, expect, it } from 'vitest';
import { CarefulClient } from '../test/careful-client.ts';
import { Note, VirtualWorld } from '../test/virtual-world.ts';

const open: VirtualWorld[] = [];
afterEach(async () => {
  for (const world of open.splice(0)) await world.close();
});

async function opened(options: ConstructorParameters<typeof VirtualWorld>[0] = {}): Promise<VirtualWorld> {
  const made = new VirtualWorld(options);
  open.push(made);
  await made.start();
  return made;
}

async function move(walk: VirtualWorld, phase: string): Promise<void> {
  const policy =
    phase === '0'
      ? { policy: 'cosmos-only' }
      : phase === '2'
        ? { policy: 'dual-write' }
        : { policy: 'postgres-primary', reverseSync: phase === '6' };
  await walk.wish({ ...policy, flip: 'auto' });
  await walk.until(phase, () => walk.hybrid.status('notes').phase === phase);
}

const key = { owner: 'a', id: '1' };

describe('across flips', () => {
  it('goes forward, lets Cosmos DB go, takes it back and returns, under writers; both stores end the same', async () => {
    const walk = await opened();
    for (let i = 0; i < 30; i += 1)
      await walk.cosmos.foreign.put(Note, {
        id: `${i}`,
        owner: `o${i}`,
        text: 'old',
        unknown: { kept: [i] },
      });
    const clients = ['ada', 'bob', 'eve'].map((owner) => new CarefulClient(walk, owner));
    for (const client of clients) client.start();
    for (const phase of ['6', '7', '6', '7', '6', '2', '0', '2']) {
      await move(walk, phase);
      await walk.clock.advance(400);
    }
    for (const client of clients) await client.stop();
    expect(clients.flatMap((client) => client.wrongs)).toEqual([]);
    expect(clients.every((client) => client.acknowledged > 20)).toBe(true);
    expect(await walk.differences()).toEqual([]);
    for (const client of clients) {
      expect(await client.missingIn(walk.cosmos.records(Note))).toEqual([]);
      expect(await client.missingIn(walk.postgres.records(Note))).toEqual([]);
    }
    const old = await walk.hybrid.repository(Note).get({ owner: 'o7', id: '7' });
    expect(old?.value).toMatchObject({ unknown: { kept: [7] } });
    expect(walk.notices.findLast((notice) => notice.startsWith('phase'))).toBe('phase 1 -> 2 term 3');
  });

  it('a version stays good, and a stale one stays stale', async () => {
    const walk = await opened();
    const notes = walk.hybrid.repository(Note);
    const first = await notes.create({ id: '1', owner: 'a', text: '1' });
    const second = await notes.patch(key, { text: '2' });
    await move(walk, '6');
    expect((await notes.get(key))?.version).toBe(second.version);
    await expect(notes.patch(key, { text: 'x' }, { ifVersion: first.version })).rejects.toThrow(
      ConflictError,
    );
    const third = await notes.patch(key, { text: '3' }, { ifVersion: second.version });
    await move(walk, '2');
    await expect(notes.patch(key, { text: 'x' }, { ifVersion: second.version })).rejects.toThrow(
      ConflictError,
    );
    await notes.patch(key, { text: '4' }, { ifVersion: third.version });
    expect((await notes.get(key))?.value.text).toBe('4');
  });

  it('an operation that is repeated takes effect once', async () => {
    const walk = await opened();
    const notes = walk.hybrid.repository(Note);
    const made = await notes.create({ id: '1', owner: 'a', text: '1' }, { operationId: 'op' });
    await notes.patch(key, { text: 'later' });
    await move(walk, '6');
    const again = await notes.create({ id: '1', owner: 'a', text: '1' }, { operationId: 'op' });
    expect(again).toEqual(made);
    await notes.delete(key, { operationId: 'gone' });
    await notes.create({ id: '1', owner: 'a', text: 'new' });
    await move(walk, '2');
    await notes.delete(key, { operationId: 'gone' });
    expect((await notes.get(key))?.value.text).toBe('new');
  });

  it('a delete stays a delete, and its tombstone keeps the copy from coming back', async () => {
    const walk = await opened();
    const notes = walk.hybrid.repository(Note);
    await notes.create({ id: '1', owner: 'a', text: '1' });
    await move(walk, '2');
    await notes.delete(key);
    await move(walk, '6');
    expect(await notes.get(key)).toBeUndefined();
    await notes.create({ id: '1', owner: 'a', text: '2' });
    await notes.delete(key);
    await move(walk, '2');
    expect(await notes.get(key)).toBeUndefined();
    expect(await walk.differences()).toEqual([]);
  });

  it('a cursor goes on where it was', async () => {
    const walk = await opened();
    const notes = walk.hybrid.repository(Note);
    for (let i = 0; i < 9; i += 1) await notes.create({ id: `${i}`, owner: 'a', text: `${i % 3}`, rank: i });
    await move(walk, '2');
    const query = { orderBy: [['text', 'asc']] as const, limit: 4 };
    const first = await notes.query(query);
    await move(walk, '6');
    const second = await notes.query({ ...query, cursor: first.cursor });
    await move(walk, '2');
    const third = await notes.query({ ...query, cursor: second.cursor });
    const ids = [first, second, third].flatMap((page) => page.items.map((item) => item.value.id));
    expect(ids).toEqual(['0', '3', '6', '1', '4', '7', '2', '5', '8']);
    expect(third.cursor).toBeUndefined();
  });

  it('the cache comes and goes, and never answers with what was written past it', async () => {
    const walk = await opened({ cache: memoryCacheStore });
    const cached = { policy: 'cached', ttl: '5m', over: { policy: 'dual-write', reads: 'postgres' } };
    const notes = walk.hybrid.repository(Note);
    await notes.create({ id: '1', owner: 'a', text: '1' });
    await walk.wish(cached);
    await walk.until('3', () => walk.hybrid.status('notes').phase === '3');
    expect((await notes.get(key))?.value.text).toBe('1');
    await notes.patch(key, { text: '2' });
    expect((await notes.get(key))?.value.text).toBe('2');
    await walk.wish({ policy: 'dual-write', reads: 'postgres' });
    await notes.patch(key, { text: '3' });
    await walk.wish(cached);
    expect((await notes.get(key))?.value.text).toBe('3');
    await walk.wish({ ...cached, over: { policy: 'postgres-primary', flip: 'auto' } });
    await walk.until('6', () => walk.hybrid.status('notes').phase === '6');
    expect((await notes.get(key))?.value.text).toBe('3');
    await notes.patch(key, { text: '4' });
    expect((await notes.get(key))?.value.text).toBe('4');
    // Past the cache, where nobody may look while it is warm: proof that reads do come from it.
    const warm = await walk.postgres.records(Note).read({ partition: ['a'], id: '1' });
    expect(warm?.value?.['text']).toBe('4');
  });

  it('the cache is silent while the authority moves back, and another process may have the first word', async () => {
    const walk = await opened({ cache: memoryCacheStore });
    const cached = (over: object) => ({ policy: 'cached', ttl: '5m', over: { ...over, flip: 'auto' } });
    const phase = () => walk.hybrid.status('notes').phase;
    const notes = walk.hybrid.repository(Note);
    await walk.wish(cached({ policy: 'postgres-primary' }));
    await walk.until('6', () => phase() === '6');
    await notes.create({ id: '1', owner: 'a', text: '1' });
    expect((await notes.get(key))?.value.text).toBe('1');
    const answeredIn: unknown[] = [];
    walk.hybrid.on('phase', ({ to }) => {
      if (to === "5'") void notes.get(key).then(() => answeredIn.push(phase()));
    });
    await walk.wish(cached({ policy: 'dual-write' }));
    await walk.until('2 and read', () => phase() === '2' && answeredIn.length > 0);
    expect(answeredIn).toEqual(['2']);
  });

  it('a wish that changes its mind on the way is followed', async () => {
    const walk = await opened();
    const notes = walk.hybrid.repository(Note);
    await notes.create({ id: '1', owner: 'a', text: '1' });
    const phase = () => walk.hybrid.status('notes').phase;
    for (const [at, there, back] of [
      ['1', { policy: 'postgres-primary', flip: 'auto' }, '0'],
      ['4', { policy: 'postgres-primary', flip: 'auto' }, '2'],
      ['5', { policy: 'postgres-primary', flip: 'auto' }, '2'],
    ] as const) {
      await walk.wish(there);
      await walk.until(at, () => phase() === at);
      await move(walk, back);
      await notes.patch(key, { text: at });
      expect((await notes.get(key))?.value.text).toBe(at);
    }
    await walk.wish({ policy: 'postgres-primary', reverseSync: false, flip: 'auto' });
    await walk.until('7', () => phase() === '7');
    await move(walk, '2');
    expect((await notes.get(key))?.value.text).toBe('5');
    expect(await walk.differences()).toEqual([]);
  });

  it('waits for a word before it moves the authority', async () => {
    const walk = await opened();
    await walk.wish({ policy: 'postgres-primary' });
    const blocked = () => walk.hybrid.status('notes').blockedBy.map((answer) => answer.name);
    await walk.until('blocked', () => blocked().includes('flip allowed'));
    expect(walk.hybrid.status('notes').phase).toBe('4');
    await walk.wish({ policy: 'postgres-primary', flip: 'auto' });
    await walk.until('6', () => walk.hybrid.status('notes').phase === '6');
    await walk.wish({ policy: 'cosmos-only' });
    await walk.until('blocked', () => blocked().includes('flip allowed'));
    expect(walk.hybrid.status('notes').phase).toBe('6');
  });
});
