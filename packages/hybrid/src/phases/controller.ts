import {
  type ControlRow,
  type DocumentStore,
  FencedError,
  type GateAnswer,
  isTransientError,
  type Permit,
  type PermitStore,
  type Phase,
  type RelationalStore,
  SealedError,
  type Wish,
} from '@polyphase/core';
import { flipBack } from '../flip/flip-back.ts';
import { flipForward } from '../flip/flip-forward.ts';
import { DRIFT } from '../protocol-limits.ts';
import type { FeedWatch } from '../relay/feed-watch.ts';
import type { ReverseRelay } from '../relay/reverse-relay.ts';
import { Gates } from './gates/gates.ts';
import type { Group } from './group.ts';
import { mayTryAgain } from './may-try-again.ts';
import { bringPermitTo } from './permit-projection.ts';
import { movesAuthority, nextPhase, PHASES } from './phase-table.ts';
import { withinTime } from './time-limit.ts';

/** What a controller works with. Cosmos DB, its feed and the reverse relay are absent where PostgreSQL is the only store. */
export interface ControllerOptions {
  readonly group: Group;
  readonly postgres: RelationalStore;
  readonly cosmos: DocumentStore | undefined;
  readonly watch: FeedWatch | undefined;
  readonly reverse: ReverseRelay | undefined;
  /** Name of this process among the members. */
  readonly holder: string;
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
  readonly #watch: FeedWatch | undefined;
  readonly #reverse: ReverseRelay | undefined;
  readonly #holder: string;
  readonly #gates: Gates;
  readonly #onBlocked: ControllerOptions['onBlocked'];
  #blockedBy: readonly GateAnswer[] = [];
  #markedAt: number | undefined;
  #permitSeenAt: number | undefined;
  #givenUp = 0;
  #sealAgainAt = Number.NEGATIVE_INFINITY;

  constructor(options: ControllerOptions) {
    this.#group = options.group;
    this.#postgres = options.postgres;
    this.#cosmos = options.cosmos;
    this.#watch = options.watch;
    this.#reverse = options.reverse;
    this.#holder = options.holder;
    this.#onBlocked = options.onBlocked;
    this.#gates = new Gates({ group: options.group, postgres: options.postgres, watch: options.watch });
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
    try {
      await this.#inTime(row, signal, (bounded) => this.#move(row, to, row.term, bounded));
      return true;
    } catch (error) {
      if (!SealedError.isInstance(error)) throw error;
      this.#noteGivenUp(to, error);
      return false;
    }
  }

  /** Takes back a seal that would be left unfinished: until another process came, nobody could write. Call it after the last step. */
  async release(): Promise<void> {
    const { row } = this.#group;
    // The seal of a first row keeps nobody from anything: no lease was ever granted.
    if (!row || row.epoch === 1) return;
    if (row.phase === '5') await this.#unseal(row, '4');
    else if (row.phase === "5'") await this.#unseal(row, '6');
  }

  async #look(signal: AbortSignal): Promise<ControlRow | undefined> {
    const row = await this.#postgres.control.read(this.#group.entity.name, { signal });
    if (!row) return undefined;
    if (PHASES[row.phase].authority === 'postgres') {
      // Calls need nothing of Cosmos DB now, so its loss must not keep them from going on.
      this.#group.observe(row);
      await this.#closePermit(row, signal);
    } else if (this.#cosmos && row.phase !== '5') {
      const permit = await bringPermitTo(row, this.#cosmos.permits, this.#group.limits, signal);
      this.#group.observe(row);
      // Arming is done when the longer leases are over; whoever finds it half done waits from its own sight of it.
      if (row.phase === '4' && permit.drainMs > permit.leaseMs)
        await this.#waitOut(row, permit, this.#cosmos.permits, signal);
    }
    this.#group.observe(row);
    return row;
  }

  // From 6 on the permit stays as the seal left it; but where there never was one, a process without PostgreSQL would open one.
  async #closePermit(row: ControlRow, signal: AbortSignal): Promise<void> {
    if (!this.#cosmos || this.#permitSeenAt === row.epoch) return;
    try {
      await bringPermitTo(row, this.#cosmos.permits, this.#group.limits, signal);
      this.#permitSeenAt = row.epoch;
    } catch (error) {
      if (!isTransientError(error)) throw error;
    }
  }

  async #waitOut(row: ControlRow, permit: Permit, permits: PermitStore, signal: AbortSignal): Promise<void> {
    await this.#group.clock.sleep(permit.drainMs * DRIFT, signal);
    await permits.drained(row.group, row.epoch, permit.leaseMs, { signal });
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
    if (row.phase === '7r' && to === '6' && this.#markedAt !== row.epoch) {
      await this.#postgres.dirtyKeys.markAll(this.#group.entity.name, { signal });
      this.#markedAt = row.epoch;
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
    // A row that others changed under the seal would be the truth from here on.
    const whenMended = row.phase === '5' && phase === '6';
    const exclusive = PHASES[row.phase].authority === 'postgres' || PHASES[phase].authority === 'postgres';
    const moved = await this.#postgres.control.advance(
      row.group,
      row.epoch,
      { phase, term },
      { exclusive, whenMended, signal },
    );
    if (!moved) return undefined;
    // The commit and every step after it write no permit: the row alone is what counts there.
    if (this.#cosmos && !PHASES[phase].sealed && PHASES[phase].authority === 'cosmos')
      await bringPermitTo(moved, this.#cosmos.permits, this.#group.limits, signal);
    this.#group.observe(moved);
    if (moved.term !== row.term) this.#gates.reset();
    return moved;
  }

  async #finishForward(row: ControlRow, signal: AbortSignal): Promise<boolean> {
    const group = this.#group;
    if (!this.#cosmos || !this.#watch) return false;
    const flip = {
      group,
      permits: this.#cosmos.permits,
      watch: this.#watch,
      gates: this.#gates,
      commit: (at: ControlRow, until: AbortSignal) => this.#move(at, '6', at.term + 1, until),
    };
    return this.#orAbort(row, { to: '6', back: '4' }, signal, (bounded) => flipForward(row, flip, bounded));
  }

  async #finishBack(row: ControlRow, signal: AbortSignal): Promise<boolean> {
    if (!this.#reverse || !this.#watch) return false;
    const flip = {
      group: this.#group,
      reverse: this.#reverse,
      members: this.#postgres.members,
      holder: this.#holder,
      watch: this.#watch,
      gates: this.#gates,
      commit: (at: ControlRow, until: AbortSignal) => this.#move(at, '2', at.term + 1, until),
    };
    return this.#orAbort(row, { to: '2', back: '6' }, signal, (bounded) => flipBack(row, flip, bounded));
  }

  // A step waits for what is in flight, and keeps others waiting behind it: so it has an end.
  #inTime<Result>(
    row: ControlRow,
    signal: AbortSignal,
    work: (bounded: AbortSignal) => Promise<Result>,
  ): Promise<Result> {
    const { clock, limits } = this.#group;
    const late = () =>
      new SealedError({
        message: `The step was given up: it took longer than ${limits.sealTimeoutMs} ms`,
        entity: row.group,
      });
    return withinTime({ clock, ms: limits.sealTimeoutMs, signal, late }, work);
  }

  // Nobody loses anything but a moment: out of time, or at a difference, the row goes back to where the seal began, same term.
  async #orAbort(
    row: ControlRow,
    phases: { readonly to: Phase; readonly back: Phase },
    signal: AbortSignal,
    flip: (bounded: AbortSignal) => Promise<ControlRow | undefined>,
  ): Promise<boolean> {
    try {
      await this.#inTime(row, signal, flip);
      this.#givenUp = 0;
      return true;
    } catch (error) {
      if (FencedError.isInstance(error) || signal.aborted) throw error;
      const unsealed = await this.#unseal(row, phases.back, signal);
      // The row had moved on: the commit succeeded, and only its answer was lost.
      if (!unsealed) return true;
      this.#noteGivenUp(phases.to, error);
      if (!SealedError.isInstance(error) && !mayTryAgain(error)) throw error;
      return false;
    }
  }

  async #unseal(row: ControlRow, back: Phase, signal?: AbortSignal): Promise<boolean> {
    const { clock, limits } = this.#group;
    const late = () => new SealedError({ message: 'The seal could not be taken back', entity: row.group });
    const limit = { clock, ms: limits.armedLeaseMs, signal, late };
    return withinTime(
      limit,
      async (bounded) => (await this.#move(row, back, row.term, bounded)) !== undefined,
    );
  }

  #noteGivenUp(to: Phase, error: unknown): void {
    const { clock, limits } = this.#group;
    this.#givenUp += 1;
    this.#sealAgainAt =
      clock.monotonic() + Math.min(60_000, limits.armedLeaseMs * 2 ** Math.min(this.#givenUp, 6));
    this.#blockedBy = [
      {
        name: 'flip',
        passed: false,
        seen: error instanceof Error ? error.message : String(error),
        wanted: 'every call and lease over in time, every change copied, no difference',
      },
    ];
    this.#onBlocked(to, this.#blockedBy);
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
