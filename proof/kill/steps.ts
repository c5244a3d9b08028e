import type { ControlRow, Permit, Phase } from '@polyphase/core';

/** What somebody sees of a migration who only looks into the stores. */
export interface Sight {
  readonly row: Pick<ControlRow, 'phase' | 'epoch' | 'term'> | undefined;
  readonly permit: Pick<Permit, 'epoch' | 'open'> | undefined;
  /** Changes with every marker that is written into the feed. */
  readonly markers: string;
  /** Changes with every checkpoint that is moved. */
  readonly checkpoints: string;
}

/** The steps of a walk that can be told apart from outside: each phase, and each step of both flips. */
export const STEPS = [
  'capture',
  'dual write',
  'reads on PostgreSQL',
  'armed',
  'sealed',
  'permit closed',
  'cut taken',
  'comparing',
  'committed',
  'PostgreSQL only',
  'rearming',
  'rearmed',
  'sealed back',
  'cut taken back',
  'comparing back',
  'committed back',
  'permit opened',
] as const;

/** One of {@link STEPS}. */
export type Step = (typeof STEPS)[number];

/**
 * Tells the step that a walk is in from what is seen, one look after the other.
 *
 * The cut is taken when a marker was written since the seal; it is read past, and what follows is the comparison, when a checkpoint
 * has moved since.
 */
export class StepWatch {
  #before: Sight | undefined;
  #cutFrom: string | undefined;
  #readFrom: string | undefined;
  #lastPhase: string | undefined;
  #phase: string | undefined;

  /** The step of this look; undefined in phase 0. */
  see(sight: Sight): Step | undefined {
    const phase = sight.row?.phase;
    if (phase !== this.#phase) {
      this.#lastPhase = this.#phase;
      this.#phase = phase;
      this.#cutFrom = (this.#before ?? sight).markers;
      this.#readFrom = undefined;
    }
    this.#before = sight;
    if (sight.markers !== this.#cutFrom) this.#readFrom ??= sight.checkpoints;
    return this.#stepOf(sight);
  }

  #stepOf({ row, permit, checkpoints }: Sight): Step | undefined {
    const isBehind = row !== undefined && (permit?.epoch ?? 0) < row.epoch;
    const isRead = this.#readFrom !== undefined && this.#readFrom !== checkpoints;
    const cut = this.#readFrom === undefined ? undefined : isRead ? 'comparing' : 'cut taken';
    const steps: { readonly [P in Phase]: Step | undefined } = {
      '0': undefined,
      '1': 'capture',
      '2': this.#lastPhase !== "5'" ? 'dual write' : isBehind ? 'committed back' : 'permit opened',
      '3': 'reads on PostgreSQL',
      '4': 'armed',
      '5': isBehind ? 'sealed' : (cut ?? 'permit closed'),
      '6': this.#lastPhase === '7r' ? 'rearmed' : 'committed',
      "5'": cut === undefined ? 'sealed back' : `${cut} back`,
      '7': 'PostgreSQL only',
      '7r': 'rearming',
    };
    return row && steps[row.phase];
  }
}
