import { afterEach, describe, expect, it } from 'vitest';
import { Note, protocol, VirtualWorld } from '../../test/virtual-world.ts';

const open: VirtualWorld[] = [];
afterEach(async () => {
  for (const world of open.splice(0)) await world.close();
});

const phaseOf = (world: VirtualWorld) => world.hybrid.status('notes').phase;

async function sealed(): Promise<VirtualWorld> {
  const world = new VirtualWorld();
  open.push(world);
  await world.start();
  await world.hybrid.repository(Note).create({ id: '1', owner: 'a', text: 'ours' });
  await world.wish({ policy: 'postgres-primary', flip: 'auto' });
  await world.until('sealed', () => phaseOf(world) === '5');
  return world;
}

// Another process without PostgreSQL, which took its lease just before the permit closed: nobody here knows of it.
async function writeElsewhere(world: VirtualWorld, id: string): Promise<void> {
  const key = { partition: ['a'], id };
  const value = { id, owner: 'a', text: 'written elsewhere' };
  await world.cosmos
    .records(Note)
    .write({ kind: 'create', key, operationId: `elsewhere ${id}`, value }, { term: 1 });
}

describe('flipForward', () => {
  it('takes with it what another process wrote under the last of its lease', async () => {
    const world = await sealed();
    await writeElsewhere(world, 'early');
    await world.clock.advance(protocol.armedLease - 1);
    expect(phaseOf(world)).toBe('5');
    await writeElsewhere(world, 'late');
    await world.until('flipped', () => phaseOf(world) === '6');
    expect(world.notices.filter((notice) => notice.startsWith('phase 5'))).toEqual(['phase 5 -> 6 term 2']);
    for (const id of ['early', 'late'])
      expect((await world.postgres.records(Note).read({ partition: ['a'], id }))?.value).toMatchObject({
        id,
      });
    expect(await world.postgres.journal.count('notes')).toEqual({ deadLetters: 0, conflicts: 0 });
  });
});
