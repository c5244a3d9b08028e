import type { JsonObject } from '@polyphase/core';
import { describe, expect, it } from 'vitest';
import { FaultPlan } from '../../test/faulty-stores.ts';
import { Note, VirtualWorld } from '../../test/virtual-world.ts';

const COSMOS: JsonObject = { policy: 'cosmos-only' };
const DUAL: JsonObject = { policy: 'dual-write', flip: 'auto' };
const READS: JsonObject = { ...DUAL, reads: 'postgres' };
const ARMED: JsonObject = { policy: 'postgres-primary' };
const POSTGRES: JsonObject = { ...ARMED, flip: 'auto' };
const ALONE: JsonObject = { ...POSTGRES, reverseSync: false };

/** How a phase is reached to start from: one policy after the other, each until its phase is there. */
const TO: { readonly [phase in string]: readonly (readonly [JsonObject, string])[] } = {
  '2': [[DUAL, '2']],
  '3': [[READS, '3']],
  '4': [[ARMED, '4']],
  '5': [[POSTGRES, '5']],
  '6': [[POSTGRES, '6']],
  "5'": [
    [POSTGRES, '6'],
    [DUAL, "5'"],
  ],
  '7': [[ALONE, '7']],
  '7r': [
    [ALONE, '7'],
    [POSTGRES, '7r'],
  ],
};

// The table of the guide "Drill the way back, and take it".
describe('the way back', () => {
  it.each([
    { from: '2', policy: COSMOS, ways: ['1 0'] },
    { from: '3', policy: DUAL, ways: ['2'] },
    { from: '3', policy: COSMOS, ways: ['2 1 0'] },
    { from: '4', policy: READS, ways: ['3'] },
    { from: '4', policy: DUAL, ways: ['3 2'] },
    { from: '5', policy: DUAL, ways: ['4 3 2', "6 5' 2"] },
    { from: '6', policy: DUAL, ways: ["5' 2"] },
    { from: "5'", policy: DUAL, ways: ['2'] },
    { from: "5'", policy: POSTGRES, ways: ['6', '2 3 4 5 6'] },
    { from: '7', policy: DUAL, ways: ["7r 6 5' 2"] },
    { from: '7r', policy: DUAL, ways: ["6 5' 2"] },
    { from: '7r', policy: ALONE, ways: ['7', '6 7'] },
  ])('from phase $from by $policy.policy', async ({ from, policy, ways }) => {
    const world = new VirtualWorld();
    let isAway = false;
    const faultAt = (_: number, name: string) =>
      isAway && name === 'cosmos.records.apply' ? 'error before' : undefined;
    await world.start(new FaultPlan({ faultAt }));
    const notes = world.hybrid.repository(Note);
    const put = (id: string) => world.passing(notes.upsert({ id, owner: 'a', text: `${id} in ${from}` }));
    for (const id of ['1', '2', '3']) await put(id);
    for (const [wish, phase] of TO[from] ?? []) {
      // What is to be copied in 7r waits, or the phase would be over before anybody could look.
      isAway = phase === '7r';
      if (isAway) await put('1');
      await world.wish(wish);
      await world.until(`phase ${phase}`, () => world.hybrid.status('notes').phase === phase);
    }
    world.notices.length = 0;
    await world.wish(policy);
    isAway = false;
    await put('2');
    const goal = ways[0]?.split(' ').at(-1);
    await world.until(`phase ${goal}`, () => world.hybrid.status('notes').phase === goal);
    await put('3');
    const walked = world.notices.flatMap((notice) => /^phase \S+ -> (\S+)/.exec(notice)?.[1] ?? []);
    expect(ways).toContain(walked.join(' '));
    for (const id of ['1', '2', '3'])
      expect((await world.passing(notes.get({ owner: 'a', id })))?.value.text).toBe(`${id} in ${from}`);
    // In 0 and 7 the other store follows no more.
    const follows = goal !== '0' && goal !== '7';
    expect(follows ? await world.differences() : []).toEqual([]);
    await world.close();
  });
});
