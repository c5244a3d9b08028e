import { type JsonObject, recordDigest, type ShadowTally } from '@polyphase/core';
import { afterEach, describe, expect, it } from 'vitest';
import { Note, VirtualWorld } from '../../test/virtual-world.ts';
import { shadowAnswers, unexplained } from './shadow-gate.ts';

const READS = { policy: 'dual-write', reads: 'postgres' };
const limits = { shadowReads: 300, shadowWindowMs: 1_000 };
const tally = (fields: Partial<ShadowTally>): ShadowTally => ({
  shape: 'get',
  agreed: 300,
  lagged: 0,
  moved: 0,
  records: 0,
  answers: 0,
  noise: { agreed: 300, answers: 0 },
  ...fields,
});
const passed = (found: readonly ShadowTally[], waitedMs = 0) =>
  shadowAnswers(found, limits, waitedMs).answers.every((answer) => answer.passed);

describe('shadowAnswers', () => {
  it('lets pass what was compared often enough, one answer for each shape', () => {
    const found = [tally({}), tally({ shape: 'query all' })];
    const { answers, enough } = shadowAnswers(found, limits, 0);
    expect(answers.map(({ name, passed: ok }) => [name, ok])).toEqual([
      ['shadow reads: get', true],
      ['shadow reads: query all', true],
    ]);
    expect(enough).toBe(true);
    expect(answers[0]?.seen).toContain('300 compared, 0 differ');
  });

  it('refuses for one shape that was compared too seldom, until the wait is over', () => {
    const found = [tally({}), tally({ shape: 'query all', agreed: 299, lagged: 500, moved: 500 })];
    expect(passed(found, 999)).toBe(false);
    expect(passed(found, 1_000)).toBe(true);
    expect(shadowAnswers(found, limits, 1_000).enough).toBe(false);
  });

  it('refuses while nothing was read, until the wait is over', () => {
    expect(passed([], 999)).toBe(false);
    expect(passed([], 1_000)).toBe(true);
    expect(shadowAnswers([], limits, 1_000).enough).toBe(false);
  });

  it('refuses for one record that differs, however long it has waited and however noisy the authority is', () => {
    expect(passed([tally({ records: 1 })], 1e9)).toBe(false);
    expect(passed([tally({ records: 1, noise: { agreed: 0, answers: 300 } })], 1e9)).toBe(false);
  });

  it('refuses for one answer that differs where the authority never differs from itself', () => {
    expect(passed([tally({ answers: 1 })], 1e9)).toBe(false);
    expect(passed([tally({ answers: 1, noise: { agreed: 0, answers: 0 } })], 1e9)).toBe(false);
  });

  it.each([
    [30, true],
    [40, true],
    [60, false],
  ])('of 300 reads, %d that differ are explained by noise of one in ten: %s', (answers, explained) => {
    const noisy = tally({ agreed: 300 - answers, answers, noise: { agreed: 270, answers: 30 } });
    expect(unexplained(noisy) === 0).toBe(explained);
  });

  it('adds up what several processes found', () => {
    expect(passed([tally({ agreed: 150 }), tally({ agreed: 150 })])).toBe(true);
    expect(passed([tally({}), tally({ answers: 1, agreed: 0 })])).toBe(false);
  });
});

describe('the gate from 2 to 3', () => {
  const open: VirtualWorld[] = [];
  afterEach(async () => {
    for (const world of open.splice(0)) await world.close();
  });

  async function wishing(policy: JsonObject = READS, shadowWindow = 60_000): Promise<VirtualWorld> {
    const world = new VirtualWorld({ protocol: { shadowReads: 3, shadowWindow } });
    open.push(world);
    await world.start();
    const notes = world.hybrid.repository(Note);
    for (const id of ['1', '2']) await world.passing(notes.create({ id, owner: 'a', text: `t${id}` }));
    await world.wish({ ...policy, shadow: { sample: 1 } });
    await world.until('dual', () => phaseOf(world) === '2');
    return world;
  }
  const phaseOf = (world: VirtualWorld) => world.hybrid.status('notes').phase;
  const blockedBy = (world: VirtualWorld) => world.hybrid.status('notes').blockedBy.map(({ name }) => name);
  const get = async (world: VirtualWorld, times: number, id = '1') => {
    const notes = world.hybrid.repository(Note);
    for (let i = 0; i < times; i += 1) {
      await world.passing(notes.get({ owner: 'a', id }));
      await world.clock.advance(50);
    }
  };
  /** A row of a record that Cosmos DB never had. */
  const ghost = async (world: VirtualWorld) => {
    const value = { id: '9', owner: 'a', text: 'ghost' };
    const record = {
      key: { partition: ['a'], id: '9' },
      version: { term: 1, counter: 1 },
      value,
      operations: [],
      digest: recordDigest(value),
    };
    await world.postgres.records(Note).apply([{ record }]);
    return value;
  };
  const query = (world: VirtualWorld) =>
    world.passing(world.hybrid.repository(Note).query({ where: { owner: 'a' } }));

  it('refuses until each query shape was compared often enough', async () => {
    const world = await wishing();
    await world.clock.advance(1_000);
    expect(blockedBy(world)).toEqual(['shadow reads']);
    await query(world);
    await get(world, 3);
    await world.clock.advance(1_000);
    expect(blockedBy(world)).toEqual(['shadow reads: query owner eq']);
    await query(world);
    await query(world);
    await world.until('reading', () => phaseOf(world) === '3');
  });

  it('refuses while there is a mismatch, and passes when it is mended and enough was read since', async () => {
    const world = await wishing();
    const value = await ghost(world);
    await get(world, 20, '9');
    await world.clock.advance(1_000);
    expect(phaseOf(world)).toBe('2');
    expect(blockedBy(world)).toEqual(['shadow reads: get']);
    await world.passing(world.hybrid.repository(Note).upsert(value));
    await get(world, 10, '9');
    await world.until('reading', () => phaseOf(world) === '3', 5_000);
  });

  it('compares all records instead where nothing is read, once the wait is over', async () => {
    const world = await wishing(READS, 5_000);
    await world.clock.advance(4_000);
    expect(blockedBy(world)).toEqual(['shadow reads']);
    await ghost(world);
    await world.clock.advance(10_000);
    expect(phaseOf(world)).toBe('2');
    expect(blockedBy(world)).toEqual(['both stores hold the same']);
    await world.passing(world.hybrid.repository(Note).delete({ owner: 'a', id: '9' }));
    await world.until('reading', () => phaseOf(world) === '3', 20_000);
  });

  it('counts what other processes found, and not what was found under another epoch', async () => {
    const world = await wishing();
    const row = await world.postgres.control.read('notes');
    const epoch = row?.epoch ?? 0;
    const tallies = [tally({ agreed: 3 })];
    await world.postgres.shadowTallies.note({ group: 'notes', holder: 'x', epoch: epoch - 1, tallies });
    await world.clock.advance(1_000);
    expect(blockedBy(world)).toEqual(['shadow reads']);
    await world.postgres.shadowTallies.note({ group: 'notes', holder: 'y', epoch, tallies });
    await world.until('reading', () => phaseOf(world) === '3');
  });

  it('is satisfied by the reads of a service that asked for a later phase at once', async () => {
    const world = await wishing({ policy: 'postgres-primary', flip: 'auto' });
    await get(world, 3);
    await world.until('flipped', () => phaseOf(world) === '6');
    expect(world.notices.filter((notice) => notice.startsWith('phase'))).toContain('phase 2 -> 3 term 1');
  });
});
