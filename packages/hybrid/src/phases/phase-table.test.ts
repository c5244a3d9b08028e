import type { Phase, Wish } from '@polyphase/core';
import { describe, expect, it } from 'vitest';
import { movesAuthority, nextPhase, PHASES, plannedPhases } from './phase-table.ts';

const phases: readonly Phase[] = ['0', '1', '2', '3', '4', '5', '6', "5'", '7', '7r'];
const wishes: readonly Wish['phase'][] = ['0', '2', '3', '6', '7'];
// "May coexist with", as the protocol has it.
const NEIGHBOURS: { readonly [From in Phase]: readonly Phase[] } = {
  '0': ['1'],
  '1': ['0', '2'],
  '2': ['1', '3'],
  '3': ['2', '4'],
  '4': ['3', '5'],
  '5': ['4', '6'],
  '6': ["5'", '7'],
  "5'": ['6', '2'],
  '7': ['7r'],
  '7r': ['6', '7'],
};

describe('nextPhase', () => {
  it.each(phases.flatMap((from) => wishes.map((wish) => [from, wish] as const)))(
    'walks from %s to %s along neighbours, and arrives',
    (from, wish) => {
      const steps = plannedPhases(from, wish);
      expect(steps.length).toBeLessThanOrEqual(10);
      expect(steps.at(-1) ?? from).toBe(wish);
      let at = from;
      for (const to of steps) {
        expect(NEIGHBOURS[at], `${at} to ${to}`).toContain(to);
        at = to;
      }
    },
  );

  it('moves the authority through a seal only', () => {
    const moves = phases.flatMap((from) =>
      NEIGHBOURS[from].filter((to) => PHASES[from].authority !== PHASES[to].authority).map(() => from),
    );
    expect(moves).toEqual(['5', "5'"]);
    expect(moves.every((from) => PHASES[from].sealed)).toBe(true);
    expect(movesAuthority('4', '5')).toBe(true);
    expect(movesAuthority('6', "5'")).toBe(true);
    expect(movesAuthority('6', '7')).toBe(false);
  });

  it('leads out of a seal the way it came when the wish has changed its mind', () => {
    expect(nextPhase('5', '2')).toBe('4');
    expect(nextPhase("5'", '7')).toBe('6');
    expect(nextPhase('7r', '7')).toBe('7');
  });
});
