import { type ControlRow, planQuery, type RecordStore, type ResolvedReads } from '@polyphase/core';
import { memoryDocumentStore, memoryRelationalStore } from '@polyphase/core/memory';
import { manualClock } from '@polyphase/core/testing';
import { describe, expect, it } from 'vitest';
import { Note } from '../test/virtual-world.ts';
import { DataRouter } from './data-router.ts';
import { Group } from './phases/group.ts';
import { protocolLimits } from './protocol-limits.ts';
import { ShadowReads } from './shadow/shadow-reads.ts';

const row: ControlRow = {
  group: 'notes',
  epoch: 1,
  phase: '3',
  term: 1,
  wish: { phase: '3', flip: 'manual', revision: 1 },
};
const keyIn = (tenant: string) => ({ partition: [tenant], id: '1' });
const queryIn = (where: object) => planQuery(Note, { where }).plan;

/** A router in phase 3, over stores that tell which of them was asked. */
async function routing(reads: ResolvedReads) {
  const clock = manualClock();
  const asked: string[] = [];
  const watched = (name: string, records: RecordStore): RecordStore => ({
    read: (key, options) => note(name, () => records.read(key, options)),
    readMany: (keys, options) => note(name, () => records.readMany(keys, options)),
    getMany: (keys, options) => note(name, () => records.getMany(keys, options)),
    query: (plan, options) => note(name, () => records.query(plan, options)),
    write: (intent, options) => records.write(intent, options),
    apply: (copies, options) => records.apply(copies, options),
    scan: (options) => records.scan(options),
    count: (options) => records.count(options),
  });
  const note = <Answer>(name: string, ask: () => Answer): Answer => {
    asked.push(name);
    return ask();
  };
  const cosmos = memoryDocumentStore({ clock });
  const postgres = memoryRelationalStore({ clock });
  const [documents, rows] = [cosmos.records(Note), postgres.records(Note)];
  const group = new Group({
    entity: Note,
    stores: {
      cosmos: { ...cosmos, records: () => watched('cosmos', documents) },
      postgres: { ...postgres, records: () => watched('postgres', rows) },
    },
    clock,
    limits: protocolLimits({}),
    holder: 'me',
    isMember: () => true,
    onPhase: () => undefined,
  });
  group.observe(row);
  await clock.advance(1);
  group.noteFresh(clock.monotonic());
  const done = async () => undefined;
  const shadow = new ShadowReads({
    group,
    shadow: { sample: 1, concurrency: 1, queue: 1, wanted: true },
    holder: 'me',
    onMismatch: () => undefined,
  });
  const policy = { maxStalenessMs: 1_000, reads };
  const router = new DataRouter({ group, policy, shadow, refresh: done, assure: done, copySecond: done });
  return {
    router,
    clock,
    storesOf: async (...calls: ((router: DataRouter) => Promise<unknown>)[]) => {
      asked.length = 0;
      for (const call of calls) await call(router);
      return [...asked];
    },
  };
}

describe('DataRouter in phase 3', () => {
  it('asks PostgreSQL for the partitions of its share, and Cosmos DB for the others', async () => {
    const { storesOf } = await routing({ percent: 0, partitions: ['["a"]'] });
    expect(
      await storesOf(
        (to) => to.read(keyIn('a')),
        (to) => to.read(keyIn('b')),
        (to) => to.getMany([keyIn('a')]),
        (to) => to.query(queryIn({ owner: 'a' })),
        (to) => to.query(queryIn({ owner: 'b' })),
      ),
    ).toEqual(['postgres', 'cosmos', 'postgres', 'postgres', 'cosmos']);
  });

  it('asks Cosmos DB for what reaches beyond the share', async () => {
    const { storesOf } = await routing({ percent: 99.9, partitions: ['["a"]'] });
    expect(await storesOf((to) => to.query(queryIn({ text: 'x' })))).toEqual(['cosmos']);
    const { storesOf: named } = await routing({ percent: 0, partitions: ['["a"]'] });
    expect(await named((to) => to.getMany([keyIn('a'), keyIn('b')]))).toEqual(['cosmos']);
    const { storesOf: all } = await routing({ percent: 100, partitions: [] });
    expect(await all((to) => to.query(queryIn({ text: 'x' })))).toEqual(['postgres']);
  });

  it('takes another share when config changes', async () => {
    const { router, storesOf } = await routing({ percent: 0, partitions: ['["a"]'] });
    router.policy = { maxStalenessMs: 1_000, reads: { percent: 0, partitions: ['["b"]'] } };
    expect(
      await storesOf(
        (to) => to.read(keyIn('a')),
        (to) => to.read(keyIn('b')),
      ),
    ).toEqual(['cosmos', 'postgres']);
  });

  it('asks Cosmos DB within the share too, while PostgreSQL is not fresh', async () => {
    const { clock, storesOf } = await routing({ percent: 100, partitions: [] });
    await clock.advance(1_001);
    expect(await storesOf((to) => to.read(keyIn('a')))).toEqual(['cosmos']);
  });

  it('fills a cache from the authority alone', async () => {
    const { storesOf } = await routing({ percent: 100, partitions: [] });
    expect(await storesOf((to) => to.authority.read(keyIn('a'), {}))).toEqual(['cosmos']);
  });
});
