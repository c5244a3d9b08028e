import { manualClock } from '@polyphase/core/testing';
import { describe, expect, it } from 'vitest';
import { CallGate } from './call-gate.ts';
import { type Entered, enterTogether } from './enter-together.ts';
import { PHASES } from './phase-table.ts';

const limits = { holdMs: 1_000, holdCalls: 10 };

function entities(...phases: readonly ('2' | '6')[]) {
  const clock = manualClock();
  const seen = [...phases];
  const looks: number[] = [];
  const all = phases.map((_, i): Entered & { gate: CallGate } => {
    const gate = new CallGate({ clock, limits, entity: `e${i}` });
    const group = {
      gate,
      get rules() {
        return PHASES[seen[i] ?? '2'];
      },
    };
    return { gate, group, refresh: async () => void looks.push(i) };
  });
  return { clock, all, seen, looks };
}

describe('enterTogether', () => {
  it('holds no gate while it waits for another', async () => {
    const { all } = entities('2', '2');
    const [first, second] = all;
    second?.gate.close();
    const entering = enterTogether(all);
    await Promise.resolve();
    expect(first?.gate.isIdle).toBe(true);
    second?.gate.open();
    const tickets = await entering;
    expect(all.map(({ gate }) => gate.isIdle)).toEqual([false, false]);
    for (const ticket of tickets) ticket.leave();
    expect(all.map(({ gate }) => gate.isIdle)).toEqual([true, true]);
  });

  it('looks again where one is seen to have moved and the other is not', async () => {
    const { all, seen, looks } = entities('6', '2');
    const [, late] = all;
    const looked = all.map((one) => ({
      ...one,
      refresh: async () => {
        await one.refresh();
        if (one === late) seen[1] = '6';
      },
    }));
    expect(await enterTogether(looked)).toHaveLength(2);
    expect(looks).toEqual([0, 1]);
  });

  it('lets those in that have not come together yet', async () => {
    const { all } = entities('6', '2');
    expect(await enterTogether(all)).toHaveLength(2);
    expect(all.map(({ gate }) => gate.isIdle)).toEqual([false, false]);
  });

  it('ends the wait as that of one gate, and leaves nothing behind', async () => {
    const { all, clock } = entities('2', '2');
    all[0]?.gate.close();
    const entering = enterTogether(all);
    entering.catch(() => undefined);
    await clock.advance(1_000);
    await expect(entering).rejects.toMatchObject({ code: 'sealed' });
    expect(all.map(({ gate }) => gate.isIdle)).toEqual([true, true]);
  });
});
