import { type ControlRow, type Phase } from '@polyphase/core';
import { memoryRelationalStore } from '@polyphase/core/memory';
import { manualClock } from '@polyphase/core/testing';
import { describe, expect, it } from 'vitest';
import { Note } from '../../test/virtual-world.ts';
import { protocolLimits } from '../protocol-limits.ts';
import { Group } from './group.ts';
import { Membership } from './membership.ts';
import { SUPPORTED } from './phase-table.ts';

const row = (phase: Phase): ControlRow => ({
  group: 'notes',
  epoch: 1,
  phase,
  term: 2,
  wish: { phase: '6', flip: 'auto', revision: 1 },
});

async function member(phase: Phase, delayMs = 0) {
  const clock = manualClock();
  const postgres = memoryRelationalStore({ clock });
  await postgres.control.create(row(phase));
  const membership: { is?: Membership } = {};
  const mine = new Group({
    entity: Note,
    stores: { postgres },
    clock,
    limits: protocolLimits({}),
    holder: 'me',
    isMember: () => membership.is?.isProven === true,
    onPhase: () => undefined,
  });
  const slow = {
    list: (group: string) => postgres.members.list(group),
    noteFresh: (group: string, agoMs: number) => postgres.members.noteFresh(group, agoMs),
    leave: (group: string, holder: string) => postgres.members.leave(group, holder),
    beat: async (beat: Parameters<typeof postgres.members.beat>[0]) => {
      const answer = await postgres.members.beat(beat);
      await clock.advance(delayMs);
      return answer;
    },
  };
  const is = new Membership({
    members: slow,
    group: mine,
    holder: 'me',
    durationMs: 3_000,
    version: '0.0.0',
    supports: SUPPORTED,
  });
  membership.is = is;
  const epoch = async () => (await postgres.members.list('notes'))[0]?.epoch;
  const advance = (from: number, to: Phase) =>
    postgres.control.advance('notes', from, { phase: to, term: 2 }, { exclusive: true });
  return { clock, postgres, group: mine, is, epoch, advance };
}

describe('Membership', () => {
  it('runs from before the beat was asked for', async () => {
    const { is, clock, group } = await member('6', 1_000);
    expect(is.isProven).toBe(false);
    await is.beat();
    expect([is.isProven, group.provenTerm, group.row?.phase]).toEqual([true, 2, '6']);
    await clock.advance(1_999);
    expect(is.isProven).toBe(true);
    await clock.advance(1);
    expect([is.isProven, group.provenTerm]).toEqual([false, undefined]);
  });

  it('obeys a seal only when the calls of before are over', async () => {
    const { is, group, epoch, advance } = await member('6');
    await is.beat();
    await is.beat();
    expect(await epoch()).toBe(1);
    const ticket = await group.enter();
    await advance(1, "5'");
    await is.beat();
    await is.beat();
    expect(await epoch()).toBe(1);
    ticket.leave();
    await is.beat();
    expect(await epoch()).toBe(2);
  });

  it('obeys any other step at once', async () => {
    const { is, group, epoch, advance } = await member('6');
    await is.beat();
    await group.enter();
    await advance(1, '7');
    await is.beat();
    await is.beat();
    expect(await epoch()).toBe(2);
  });

  it('learns how fresh PostgreSQL is from whoever knows', async () => {
    const { is, group, postgres, clock } = await member('6', 500);
    await postgres.members.noteFresh('notes', clock.now() - 2_000);
    await is.beat();
    expect(group.stalenessMs).toBe(2_500);
    await clock.advance(100);
    expect(group.stalenessMs).toBe(2_600);
  });

  it('takes a note that comes late for what it was when it was made, and one from the future for nothing', async () => {
    const { is, group, postgres, clock } = await member('6');
    await is.beat();
    const asOf = clock.monotonic();
    await clock.advance(60_000);
    await is.noteFresh(asOf);
    await is.beat();
    expect(group.stalenessMs).toBe(60_000);
    await postgres.members.noteFresh('notes', clock.now() + 1);
    await is.beat();
    expect(group.stalenessMs).toBe(60_000);
  });

  it('is over when it is left', async () => {
    const { is, postgres } = await member('6');
    await is.beat();
    await is.leave();
    expect([is.isProven, await postgres.members.list('notes')]).toEqual([false, []]);
  });
});
