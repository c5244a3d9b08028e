import {
  type ControlRow,
  type DocumentStore,
  FencedError,
  type GateAnswer,
  isTransientError,
  type Phase,
  type RelationalStore,
  SealedError,
  type Wish,
} from '@polyphase/core';
import { flipBack } from '../flip/flip-back.ts';
import { flipForward } from '../flip/flip-forward.ts';
import { DRIFT } from '../protocol-limits.ts';
import type { FeedRelay } from '../relay/feed-relay.ts';
import type { ReverseRelay } from '../relay/reverse-relay.ts';
import { Gates } from './gates.ts';
import type { Group } from './group.ts';
import { bringPermitTo } from './permit-projection.ts';
import { movesAuthority, nextPhase, PHASES } from './phase-table.ts';

/** What a controller works with. The relays and Cosmos DB are absent where PostgreSQL is the only store. */
export interface ControllerOptions {
  readonly group: Group;
  readonly postgres: RelationalStore;
  readonly cosmos: DocumentStore | undefined;
  readonly relay: FeedRelay | undefined;
  readonly reverse: ReverseRelay | undefined;
  readonly onBlocked: (to: Phase, answers: readonly GateAnswer[]) => void;
}

/**
 * Walks one group from the phase of its control row to the one it carries as a wish, one neighbour at a time.
 *
 * One look (`step`) has four states: the row is read and the permit brought to it; the next phase is chosen from the row's wish,
 * never from this process's config; its gates are asked; the row is moved by compare-and-set. It may die between any two: the
 * next look begins from the row.
 */
export class Controller {
  readonly #group: Group;
  readonly #postgres: RelationalStore;
  readonly #cosmos: DocumentStore | undefined;
  readonly #relay: FeedRelay | undefined;
  readonly #reverse: ReverseRelay | undefined;
  readonly #gates: Gates;
  readonly #onBlocked: ControllerOptions['onBlocked'];
  #blockedBy: readonly GateAnswer[] = [];
  #reverseBackfilled = false;
  #aborted = 0;
  #sealAgainAt = Number.NEGATIVE_INFINITY;

  constructor(options: ControllerOptions) {
    this.#group = options.group;
    this.#postgres = options.postgres;
    this.#cosmos = options.cosmos;
    this.#relay = options.relay;
    this.#reverse = options.reverse;
    this.#onBlocked = options.onBlocked;
    this.#gates = new Gates({ group: options.group, postgres: options.postgres, relay: options.relay });
  }

  /** The gates that keep the group from its next phase; empty when nothing does. */
  get blockedBy(): readonly GateAnswer[] {
    return this.#blockedBy;
  }

  /** Takes one step towards the wish. Tells whether the row moved, so that another look is worth while. */
  async step(signal: AbortSignal): Promise<boolean> {
    const row = await this.#look(signal);
    if (!row) return false;
    const to = nextPhase(row.phase, row.wish.phase);
    if (to === undefined) {
      this.#blockedBy = [];
      return false;
    }
    if (row.phase === '5' && to === '6') return this.#finishForward(row, signal);
    if (row.phase === "5'" && to === '2') return this.#finishBack(row, signal);
    const answers = await this.#ask(row, to, signal);
    if (answers.some((answer) => !answer.passed)) {
      this.#blockedBy = answers.filter((answer) => !answer.passed);
      this.#onBlocked(to, this.#blockedBy);
      return false;
    }
    this.#blockedBy = [];
    return (await this.#move(row, to, row.term, signal)) !== undefined;
  }

  async #look(signal: AbortSignal): Promise<ControlRow | undefined> {
    const row = await this.#postgres.control.read(this.#group.entity.name, { signal });
    if (!row) return undefined;
    if (this.#cosmos && row.phase !== '5') {
      const permit = await bringPermitTo(row, this.#cosmos.permits, this.#group.limits, signal);
      this.#group.observe(row);
      // Arming is done when the long leases are over; whoever finds it half done waits from its own sight of it.
      if (row.phase === '4' && permit.drainMs > this.#group.limits.armedLeaseMs)
        await this.#waitOutLongLeases(row, permit.drainMs, signal);
    }
    this.#group.observe(row);
    return row;
  }

  async #waitOutLongLeases(row: ControlRow, drainMs: number, signal: AbortSignal): Promise<void> {
    await this.#group.clock.sleep(drainMs * DRIFT, signal);
    await this.#cosmos?.permits.drained(row.group, row.epoch, this.#group.limits.armedLeaseMs, { signal });
  }

  async #ask(row: ControlRow, to: Phase, signal: AbortSignal): Promise<readonly GateAnswer[]> {
    if (movesAuthority(row.phase, to)) {
      if (row.wish.flip !== 'auto') return [flipAllowed(row.wish)];
      const waitMs = this.#sealAgainAt - this.#group.clock.monotonic();
      if (waitMs > 0)
        return [
          {
            name: 'pause after a flip that was given up',
            passed: false,
            seen: `${Math.round(waitMs)} ms left`,
            wanted: '0 ms',
          },
        ];
    }
    if (row.phase === '7r' && to === '6' && !this.#reverseBackfilled) {
      await this.#postgres.dirtyKeys.markAll(this.#group.entity.name, { signal });
      this.#reverseBackfilled = true;
    }
    return this.#gates.check(row.phase, to, signal);
  }

  // Row first, permit second, then this process's own calls; but a seal holds the calls before the permit is closed.
  async #move(
    row: ControlRow,
    phase: Phase,
    term: number,
    signal: AbortSignal,
  ): Promise<ControlRow | undefined> {
    const exclusive = PHASES[row.phase].authority === 'postgres' || PHASES[phase].authority === 'postgres';
    const moved = await this.#postgres.control.advance(
      row.group,
      row.epoch,
      { phase, term },
      { exclusive, signal },
    );
    if (!moved) return undefined;
    if (this.#cosmos && !PHASES[phase].sealed)
      await bringPermitTo(moved, this.#cosmos.permits, this.#group.limits, signal);
    this.#group.observe(moved);
    if (moved.term !== row.term) this.#gates.reset();
    return moved;
  }

  async #finishForward(row: ControlRow, signal: AbortSignal): Promise<boolean> {
    const group = this.#group;
    if (!this.#cosmos || !this.#relay) return false;
    const flip = {
      group,
      permits: this.#cosmos.permits,
      relay: this.#relay,
      gates: this.#gates,
      commit: (at: ControlRow, until: AbortSignal) => this.#move(at, '6', at.term + 1, until),
    };
    return this.#orAbort(row, '4', signal, (bounded) => flipForward(row, flip, bounded));
  }

  async #finishBack(row: ControlRow, signal: AbortSignal): Promise<boolean> {
    if (!this.#reverse) return false;
    const flip = {
      group: this.#group,
      reverse: this.#reverse,
      commit: (at: ControlRow, until: AbortSignal) => this.#move(at, '2', at.term + 1, until),
    };
    return this.#orAbort(row, '6', signal, (bounded) => flipBack(row, flip, bounded));
  }

  // Nobody loses anything but a moment: out of time, or at a difference, the row goes back to where the seal began, same term.
  async #orAbort(
    row: ControlRow,
    back: Phase,
    signal: AbortSignal,
    flip: (bounded: AbortSignal) => Promise<ControlRow | undefined>,
  ): Promise<boolean> {
    const { clock, limits } = this.#group;
    const timer = new AbortController();
    const late = new AbortController();
    clock.sleep(limits.sealTimeoutMs, timer.signal).then(
      () =>
        late.abort(
          new SealedError({
            message: `The flip was given up: it took longer than ${limits.sealTimeoutMs} ms`,
            entity: row.group,
          }),
        ),
      () => undefined,
    );
    try {
      const moved = await flip(AbortSignal.any([signal, late.signal]));
      this.#aborted = 0;
      return moved !== undefined;
    } catch (error) {
      if (FencedError.isInstance(error) || signal.aborted) throw error;
      await this.#move(row, back, row.term, signal);
      this.#aborted += 1;
      this.#sealAgainAt =
        clock.monotonic() + Math.min(60_000, limits.armedLeaseMs * 2 ** Math.min(this.#aborted, 6));
      this.#blockedBy = [
        {
          name: 'flip',
          passed: false,
          seen: error instanceof Error ? error.message : String(error),
          wanted: 'every lease over, every change copied, no difference',
        },
      ];
      this.#onBlocked(back, this.#blockedBy);
      if (!SealedError.isInstance(error) && !isTransientError(error)) throw error;
      return false;
    } finally {
      timer.abort();
    }
  }
}

function flipAllowed(wish: Wish): GateAnswer {
  return {
    name: 'flip allowed',
    passed: false,
    seen: `flip: "${wish.flip}" in config revision ${wish.revision}`,
    wanted: 'flip: "auto": this step moves the authority, and holds writes for a moment',
  };
}
