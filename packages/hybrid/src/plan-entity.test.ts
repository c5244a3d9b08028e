import { afterEach, describe, expect, it } from 'vitest';
import { FaultPlan, faultyStores } from '../test/faulty-stores.ts';
import { Note, protocol, VirtualWorld } from '../test/virtual-world.ts';
import { createHybrid, type HybridStores } from './index.ts';
import type { EntityPlan } from './plan-entity.ts';

const open: VirtualWorld[] = [];
afterEach(async () => {
  for (const world of open.splice(0)) await world.close();
});

const READS = /^(read|readMany|getMany|query|count|scan|list|lag|ranges|verify|passed|positionOf|beat)$/;
const DUAL = { policy: 'dual-write', flip: 'auto' };
/** What leads to a phase. */
const WAYS = {
  '0': { policy: 'cosmos-only' },
  '2': DUAL,
  '3': { policy: 'dual-write', reads: 'postgres' },
  '6': { policy: 'postgres-primary', flip: 'auto' },
  '7': { policy: 'postgres-primary', reverseSync: false, flip: 'auto' },
};
const POSTGRES = { policy: 'postgres-primary', flip: 'manual' };

async function standing(plan = new FaultPlan()): Promise<VirtualWorld> {
  const world = new VirtualWorld();
  open.push(world);
  await world.start(plan);
  return world;
}

const stepsIn = ({ steps }: EntityPlan) => steps.map(({ from, to }) => `${from} ${to}`);
const refusedIn = ({ steps }: EntityPlan) =>
  steps[0]?.gates.flatMap(({ answers = [] }) =>
    answers.filter(({ passed }) => !passed).map(({ name }) => name),
  );

describe('a plan', () => {
  it('has every step to the wish, and answers of every gate of the next one', async () => {
    const world = await standing();
    await world.cosmos.foreign.put(Note, { id: '1', owner: 'a', text: 'old' });
    await world.postgres.members.beat({
      group: 'notes',
      holder: 'old',
      epoch: 1,
      version: '0.0.1',
      supports: ['0'],
      durationMs: 60_000,
    });
    await world.wish(POSTGRES);
    const plan = await world.passing(world.hybrid.plan('notes'));
    expect(plan).toMatchObject({ entity: 'notes', phase: '0', wanted: '6' });
    expect(stepsIn(plan)).toEqual(['0 1', '1 2', '2 3', '3 4', '4 5', '5 6']);
    expect(plan.steps[0]?.gates.every(({ answers }) => answers !== undefined)).toBe(true);
    expect(refusedIn(plan)).toEqual(['every member stamps']);
    expect(plan.copy).toMatchObject({ records: 1, unstamped: 1, unmappable: 0 });
    expect(plan.copy?.requestUnits.stamping).toBeGreaterThan(9);
    // Of later steps, what means something already.
    const later = plan.steps.slice(1).flatMap(({ gates }) => gates.filter(({ answers }) => answers));
    expect(later.flatMap(({ answers = [] }) => answers)).toContainEqual(
      expect.objectContaining({ name: 'flip allowed', passed: false }),
    );
    expect(later.map(({ name }) => name)).not.toContain('both stores hold the same');
  });

  it('asks every gate of the next step, also behind one that refuses', async () => {
    const world = await standing();
    await world.passing(world.hybrid.repository(Note).create({ id: '1', owner: 'a', text: 'x' }));
    await world.wish(DUAL);
    await world.until('captured', () => world.hybrid.status('notes').phase === '1');
    await world.cosmos.foreign.put(Note, { id: '2', owner: 'a', text: 7 });
    await world.clock.advance(200);
    const plan = await world.passing(world.hybrid.plan('notes', { copy: false }));
    expect(stepsIn(plan)).toEqual(['1 2']);
    expect(refusedIn(plan)).toEqual(
      expect.arrayContaining(['every delete leaves a tombstone', 'no dead letters']),
    );
    expect(plan.copy).toBeUndefined();
  });

  it.each([
    ['0', DUAL],
    ['2', { policy: 'dual-write', reads: 'postgres' }],
    ['3', { policy: 'postgres-primary', flip: 'manual' }],
    ['6', { policy: 'postgres-primary', reverseSync: false }],
    ['7', DUAL],
  ] as const)('changes nothing in phase %s', async (phase, wish) => {
    const world = await standing();
    await world.passing(world.hybrid.repository(Note).create({ id: '1', owner: 'a', text: 'x' }));
    await world.wish(WAYS[phase]);
    await world.until(phase, () => world.hybrid.status('notes').phase === phase);
    // Another process, that only serves: what it calls is the plan's, and its own beats.
    const calls: string[] = [];
    const planning = new FaultPlan({
      faultAt: (_, name) => {
        calls.push(name);
        return undefined;
      },
    });
    const service = await world.passing(
      createHybrid<HybridStores, readonly [typeof Note]>({
        stores: faultyStores(world, planning),
        entities: [Note],
        config: { loaded: { revision: 50, entities: { notes: wish } } },
        protocol,
        clock: world.clock,
        roles: ['serve'],
      }),
    );
    calls.length = 0;
    const plan = await world.passing(service.plan('notes'));
    const changing = calls.filter((name) => !READS.test(name.slice(name.lastIndexOf('.') + 1)));
    await world.passing(service.close({ drainMs: 0 }));
    expect(plan.steps.length).toBeGreaterThan(0);
    expect(plan.phase).toBe(phase);
    expect(changing).toEqual([]);
  });
});
