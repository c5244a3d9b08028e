import {
  type ControlRow,
  type RecordKey,
  type RecordStore,
  type ResolvedShadow,
  recordDigest,
} from '@polyphase/core';
import { memoryDocumentStore, memoryRelationalStore } from '@polyphase/core/memory';
import { manualClock } from '@polyphase/core/testing';
import { afterEach, describe, expect, it } from 'vitest';
import { Note, VirtualWorld } from '../../test/virtual-world.ts';
import { DataRouter } from '../data-router.ts';
import { Group } from '../phases/group.ts';
import { protocolLimits } from '../protocol-limits.ts';
import { type ShadowMismatch, ShadowReads } from './shadow-reads.ts';

const key = (id: string): RecordKey => ({ partition: ['a'], id });
const rowIn = (phase: ControlRow['phase'], wished: ControlRow['wish']['phase'], epoch = 1): ControlRow => ({
  group: 'notes',
  epoch,
  phase,
  term: 1,
  wish: { phase: wished, flip: 'manual', revision: 1 },
});
const never = () => new Promise<never>(() => undefined);

/** A process in phase 2 whose PostgreSQL answers as it is told to. */
function serving(options: Partial<ResolvedShadow> = {}, row = rowIn('2', '2')) {
  const clock = manualClock();
  const cosmos = memoryDocumentStore({ clock });
  const memory = memoryRelationalStore({ clock });
  const asked = { reads: 0, atATime: 0, most: 0 };
  let hangs = false;
  const real = memory.records(Note);
  const rows: RecordStore = {
    ...real,
    scan: (scan) => real.scan(scan),
    count: (call) => real.count(call),
    query: (plan, call) => real.query(plan, call),
    readMany: (keys, call) => real.readMany(keys, call),
    getMany: (keys, call) => real.getMany(keys, call),
    write: (intent, call) => real.write(intent, call),
    apply: (copies, call) => real.apply(copies, call),
    read: async (at, call) => {
      asked.reads += 1;
      asked.atATime += 1;
      asked.most = Math.max(asked.most, asked.atATime);
      try {
        return await (hangs ? never() : real.read(at, call));
      } finally {
        asked.atATime -= 1;
      }
    },
  };
  const group = new Group({
    entity: Note,
    stores: { cosmos, postgres: { ...memory, records: () => rows } },
    clock,
    limits: protocolLimits({}),
    holder: 'me',
    isMember: () => true,
    onPhase: () => undefined,
  });
  group.observe(row);
  const told: ShadowMismatch[] = [];
  const shadow = new ShadowReads({
    group,
    shadow: { sample: 1, concurrency: 4, queue: 100, wanted: true, ...options },
    holder: 'me',
    onMismatch: (mismatch) => told.push(mismatch),
  });
  const done = async () => undefined;
  const policy = { maxStalenessMs: 1_000, reads: { percent: 100, partitions: [] } };
  const router = new DataRouter({ group, policy, shadow, refresh: done, assure: done, copySecond: done });
  return {
    clock,
    group,
    shadow,
    router,
    told,
    asked,
    cosmos: cosmos.records(Note),
    rows: real,
    hang: (now: boolean) => {
      hangs = now;
    },
    rest: async () => {
      for (let i = 0; i < 20; i += 1) await clock.advance(clock.nextMs ?? 1);
    },
  };
}

describe('ShadowReads', () => {
  it('costs a caller nothing when PostgreSQL hangs, and leaves out what does not fit', async () => {
    const at = serving({ concurrency: 2, queue: 3 });
    at.hang(true);
    const before = at.clock.monotonic();
    for (let i = 0; i < 20; i += 1) expect(await at.router.read(key('1'))).toBeUndefined();
    expect(at.clock.monotonic()).toBe(before);
    expect(at.asked.reads).toBe(0);
    // Twenty reads, and as many for the noise; five of them fit.
    expect(at.shadow.status).toMatchObject({ dropped: 35, failed: 0 });
    await at.clock.advance(1);
    expect(at.asked.reads).toBeGreaterThan(0);
    expect(at.asked.most).toBeLessThanOrEqual(2);
    await at.clock.advance(60_000);
    expect(at.shadow.status.failed).toBeGreaterThan(0);

    at.hang(false);
    await at.router.read(key('1'));
    await at.rest();
    expect(at.shadow.status.shapes).toMatchObject([{ shape: 'get', agreed: 1 }]);
  });

  it('leaves a store alone for a moment that has failed', async () => {
    const at = serving({ concurrency: 1 });
    at.hang(true);
    await at.router.read(key('1'));
    await at.clock.advance(10_001);
    const { dropped, failed } = at.shadow.status;
    expect(failed).toBe(1);
    await at.router.read(key('1'));
    expect(at.shadow.status.dropped).toBe(dropped + 2);
    await at.clock.advance(1_000);
    await at.router.read(key('1'));
    expect(at.shadow.status.dropped).toBe(dropped + 2);
  });

  it('ends what is under way when it is closed, and asks no more', async () => {
    const at = serving();
    at.hang(true);
    await at.router.read(key('1'));
    await at.clock.advance(1);
    await at.shadow.close();
    const { reads } = at.asked;
    await at.router.read(key('1'));
    await at.rest();
    expect(at.asked.reads).toBe(reads);
    expect(at.shadow.status.failed).toBe(0);
  });

  it.each([
    ['in phase 2 where config asks for them', '2', '2', true, true],
    ['in phase 2 on the way to a later one', '2', '6', false, true],
    ['not in phase 2 where nobody asks', '2', '2', false, false],
    ['not on the way back', '2', '0', false, false],
    ['not in another phase', '1', '6', true, false],
  ] as const)('run %s', async (_, phase, wished, wanted, on) => {
    const at = serving({ wanted }, rowIn(phase, wished));
    await at.router.read(key('1'));
    await at.rest();
    expect(at.shadow.isOn).toBe(on);
    expect(at.asked.reads > 0).toBe(on);
  });

  it('take the share that config says', async () => {
    const at = serving({ sample: 0.1 });
    for (let i = 0; i < 100; i += 1) {
      await at.router.read(key('1'));
      await at.rest();
    }
    const [tally] = at.shadow.status.shapes;
    expect(tally?.agreed).toBeGreaterThanOrEqual(9);
    expect(tally?.agreed).toBeLessThanOrEqual(11);
    expect(tally?.noise.agreed).toBeGreaterThanOrEqual(9);
    expect(tally?.noise.agreed).toBeLessThanOrEqual(11);
  });

  it('forgets, with the phase, what was found in it, and what was still being compared', async () => {
    const at = serving();
    await at.router.read(key('1'));
    await at.rest();
    expect(at.shadow.status.shapes).toHaveLength(1);
    const { reads } = at.asked;
    await at.router.read(key('1'));
    at.group.observe(rowIn('1', '2', 2));
    at.group.observe(rowIn('2', '2', 3));
    await at.rest();
    expect(at.shadow.status).toMatchObject({ shapes: [], mismatches: [] });
    expect(at.asked.reads).toBe(reads);
  });

  it('counts no more than a hundred shapes', async () => {
    const at = serving({ queue: 10_000 });
    for (let i = 0; i < 250; i += 1)
      at.shadow.offer(`query ${i}`, () => ({ answer: [], ask: async () => [] }));
    await at.rest();
    const { shapes } = at.shadow.status;
    expect(shapes).toHaveLength(100);
    expect(shapes.at(-1)).toMatchObject({ shape: 'other shapes', agreed: 151 });
  });

  it('keeps the last few mismatches, by the names of their records and without what is in them', async () => {
    const at = serving();
    for (let i = 0; i < 30; i += 1) {
      const value = { id: `${i}`, owner: 'a', text: 'secret' };
      const record = { key: key(`${i}`), version: { term: 1, counter: 1 }, value, operations: [] };
      await at.rows.apply([{ record: { ...record, digest: recordDigest(value) } }]);
      await at.router.read(key(`${i}`));
      await at.rest();
    }
    expect(at.told).toHaveLength(30);
    const { mismatches, shapes } = at.shadow.status;
    expect(mismatches).toEqual(at.told.slice(-10));
    expect(mismatches.at(-1)).toEqual({ shape: 'get', kind: 'record', keys: ['29'] });
    expect(shapes).toMatchObject([
      { shape: 'get', agreed: 0, records: 30, noise: { agreed: 30, answers: 0 } },
    ]);
    expect(JSON.stringify(at.shadow.status)).not.toContain('secret');
  });
});

describe('reads: "shadow"', () => {
  const open: VirtualWorld[] = [];
  afterEach(async () => {
    for (const world of open.splice(0)) await world.close();
  });

  async function shadowed(): Promise<VirtualWorld> {
    const world = new VirtualWorld();
    open.push(world);
    await world.start();
    const notes = world.hybrid.repository(Note);
    for (const id of ['1', '2', '3']) await world.passing(notes.create({ id, owner: 'a', text: `t${id}` }));
    await world.wish({ policy: 'dual-write', reads: 'shadow', shadow: { sample: 1 } });
    await world.until('dual', () => world.hybrid.status('notes').phase === '2');
    return world;
  }

  async function readAll(world: VirtualWorld): Promise<void> {
    const notes = world.hybrid.repository(Note);
    await world.passing(notes.get({ owner: 'a', id: '1' }));
    await world.passing(
      notes.getMany([
        { owner: 'a', id: '1' },
        { owner: 'b', id: 'x' },
      ]),
    );
    await world.passing(notes.query({ where: { owner: 'a' }, orderBy: [['text', 'asc']] }));
    await world.clock.advance(100);
  }

  it('compares get, getMany and queries, and tells what it found by shape', async () => {
    const world = await shadowed();
    await readAll(world);
    const one = { agreed: 1, lagged: 0, moved: 0, records: 0, answers: 0, noise: { agreed: 1, answers: 0 } };
    expect(world.hybrid.status('notes').shadow).toEqual({
      shapes: [
        { shape: 'get', ...one },
        { shape: 'getMany', ...one },
        { shape: 'query owner eq · by text asc', ...one },
      ],
      mismatches: [],
      dropped: 0,
      failed: 0,
    });
  });

  it('tells of a row that was changed around the SDK, and not of one that is merely late', async () => {
    const world = await shadowed();
    const told: unknown[] = [];
    world.hybrid.on('shadowMismatch', (notice) => told.push(notice));
    const there = await world.postgres.records(Note).read({ partition: ['a'], id: '1' });
    const value = { id: '1', owner: 'a', text: 'changed' };
    if (!there) throw new Error('the row is there');
    await world.postgres.records(Note).apply([
      {
        record: {
          ...there,
          version: { ...there.version, counter: there.version.counter + 1 },
          value,
          digest: recordDigest(value),
        },
      },
    ]);
    await readAll(world);
    await world.clock.advance(1_000);
    expect(told).toEqual(
      ['get', 'getMany', 'query owner eq · by text asc'].map((shape) => ({
        entity: 'notes',
        shape,
        kind: 'record',
        keys: ['1'],
      })),
    );
  });
});
