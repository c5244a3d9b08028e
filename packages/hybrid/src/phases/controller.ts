import {
  authorityOf,
  type ControlRow,
  type DocumentStore,
  FencedError,
  type GateAnswer,
  type Phase,
  type RelationalStore,
  SealedError,
} from '@polyphase/core';
import { flipBack } from '../flip/flip-back.ts';
import { flipForward } from '../flip/flip-forward.ts';
import type { FeedWatch } from '../relay/feed-watch.ts';
import type { ReverseRelay } from '../relay/reverse-relay.ts';
import { Gates } from './gates/gates.ts';
import type { Group } from './group.ts';
import { mayTryAgain } from './may-try-again.ts';
import { bringPermitTo } from './permit-projection.ts';
import { PermitUpkeep } from './permit-upkeep.ts';
import { movesAuthority, nextPhase, PHASES, SEALS, type Seal } from './phase-table.ts';
import { failedStep, givenUp, moveTogether, pausing } from './step-answers.ts';
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
  /** The controller of another group in this process, if there is one. */
  readonly peer: (group: string) => Controller | undefined;
  readonly onBlocked: (to: Phase, answers: readonly GateAnswer[]) => void;
}

/** A group that takes part in a step, and its row before. */
interface Part {
  readonly controller: Controller;
  readonly row: ControlRow;
}

/** How long a step may take, and what is said when it takes longer. */
interface StepLimit {
  readonly ms: number;
  readonly why: string;
}

const STANDS_STILL =
  '; a process that stands still in a unit of work keeps its transaction open ("idle in transaction" in pg_stat_activity): end it, or let it go on';

/**
 * Walks one group from the phase of its control row to the one it carries as a wish, one neighbour at a time.
 *
 * One look (`step`) has four states: the row is read and the permit brought to it; the next phase is chosen from the row's wish,
 * never from this process's config; its gates are asked; the row is moved by compare-and-set. It may die between any two: the
 * next look begins from the row.
 *
 * Groups that a wish names together move their authority in one step. The first by name of those that have not moved leads: it asks the gates of all, seals all,
 * and commits all by one compare-and-set. The others wait for it; one that finds itself sealed beside a leader that is not takes its seal
 * back. No promise rests on it: each row is still what is true of its group.
 */
export class Controller {
  readonly #group: Group;
  readonly #postgres: RelationalStore;
  readonly #cosmos: DocumentStore | undefined;
  readonly #watch: FeedWatch | undefined;
  readonly #reverse: ReverseRelay | undefined;
  readonly #holder: string;
  readonly #gates: Gates;
  readonly #permit: PermitUpkeep;
  readonly #peer: ControllerOptions['peer'];
  readonly #onBlocked: ControllerOptions['onBlocked'];
  #blockedBy: readonly GateAnswer[] = [];
  #markedAt: number | undefined;
  #sealSeen: { readonly epoch: number; readonly at: number } | undefined;
  #givenUp = 0;
  #sealAgainAt = Number.NEGATIVE_INFINITY;
  #whyGivenUp: readonly GateAnswer[] = [];

  constructor(options: ControllerOptions) {
    this.#group = options.group;
    this.#postgres = options.postgres;
    this.#cosmos = options.cosmos;
    this.#watch = options.watch;
    this.#reverse = options.reverse;
    this.#holder = options.holder;
    this.#peer = options.peer;
    this.#onBlocked = options.onBlocked;
    this.#permit = new PermitUpkeep(options);
    this.#gates = new Gates({ group: options.group, postgres: options.postgres, watch: options.watch });
  }

  /** The gates that keep the group from its next phase; empty when nothing does. */
  get blockedBy(): readonly GateAnswer[] {
    return this.#blockedBy;
  }

  /** Takes one step towards the wish. Tells whether the row moved, so that another look is worth while. */
  async step(signal: AbortSignal): Promise<boolean> {
    try {
      return await this.#step(signal);
    } catch (error) {
      if (!FencedError.isInstance(error) && !signal.aborted) this.#blockedBy = [failedStep(error)];
      throw error;
    }
  }

  async #step(signal: AbortSignal): Promise<boolean> {
    const row = await this.#look(signal);
    if (!row) return false;
    const to = nextPhase(row.phase, row.wish.phase);
    if (to === undefined) {
      this.#blockedBy = [];
      return false;
    }
    const seal = SEALS[row.phase];
    if (seal?.to === to) {
      const [leader = row.group, ...companions] = await this.#partyOf(row, signal);
      return leader === row.group
        ? this.#finish(row, { seal, companions }, signal)
        : this.#followLeader(row, { seal, leader }, signal);
    }
    const answers = await this.#ask(row, to, signal);
    if (answers.some((answer) => !answer.passed)) {
      this.#blockedBy = answers.filter((answer) => !answer.passed);
      this.#onBlocked(to, this.#blockedBy);
      return false;
    }
    this.#blockedBy = [];
    try {
      await this.#inTime(
        row,
        signal,
        (bounded) => this.#move(row, to, row.term, bounded),
        this.#limitOf(row),
      );
      return true;
    } catch (error) {
      const isGivenUp =
        SealedError.isInstance(error) || (movesAuthority(row.phase, to) && mayTryAgain(error));
      if (!isGivenUp || signal.aborted) throw error;
      this.#noteGivenUp(to, error);
      return false;
    }
  }

  /** Takes back a seal that would be left unfinished: until another process came, nobody could write. Call it after the last step. */
  async release(): Promise<void> {
    const { row } = this.#group;
    // The seal of a first row keeps nobody from anything: no lease was ever granted.
    const seal = row && SEALS[row.phase];
    if (seal && row.epoch !== 1) await this.#unseal(row, seal.from);
  }

  async #look(signal: AbortSignal): Promise<ControlRow | undefined> {
    const row = await this.#postgres.control.read(this.#group.entity.name, { signal });
    if (row) await this.#permit.bring(row, signal);
    return row;
  }

  async #ask(row: ControlRow, to: Phase, signal: AbortSignal): Promise<readonly GateAnswer[]> {
    if (movesAuthority(row.phase, to) && row.wish.flip === 'auto') {
      const waitMs = this.#sealAgainAt - this.#group.clock.monotonic();
      if (waitMs > 0) return [...this.#whyGivenUp, pausing(waitMs)];
      return this.#askTogether(row, to, signal);
    }
    if (row.phase === '7r' && to === '6' && this.#markedAt !== row.epoch) {
      await this.#postgres.dirtyKeys.markAll(this.#group.entity.name, { signal });
      this.#markedAt = row.epoch;
    }
    return this.#gates.check(row.phase, to, signal);
  }

  // The groups of its wish that have not moved yet, in order: the first of them leads. Those that came later, or moved alone before, go
  // their own way until they are beside the others.
  async #partyOf(row: ControlRow, signal: AbortSignal): Promise<readonly string[]> {
    const { together = [row.group] } = row.wish;
    const rows = await Promise.all(
      together.map(async (name) =>
        name === row.group ? row : this.#postgres.control.read(name, { signal }),
      ),
    );
    return together.filter((_, i) => {
      const there = rows[i];
      return !there || authorityOf(there.phase) === authorityOf(row.phase);
    });
  }

  // Every group that moves in the same step must be ready for it.
  async #askTogether(row: ControlRow, to: Phase, signal: AbortSignal): Promise<readonly GateAnswer[]> {
    const [leader = row.group, ...companions] = await this.#partyOf(row, signal);
    if (leader !== row.group) return [moveTogether(`"${leader}" leads`, `the gates of "${leader}" to pass`)];
    const answers = [...(await this.#gates.check(row.phase, to, signal))];
    for (const name of companions) {
      if (answers.some(({ passed }) => !passed)) break;
      const peer = this.#peer(name);
      answers.push(
        ...(peer
          ? await peer.#readyFor(row, to, signal)
          : [
              moveTogether(
                `"${name}" is not registered here`,
                'a controller that has every entity of the group',
              ),
            ]),
      );
    }
    return answers;
  }

  async #readyFor(leader: ControlRow, to: Phase, signal: AbortSignal): Promise<readonly GateAnswer[]> {
    const row = await this.#look(signal);
    const goesAlong = row?.phase === leader.phase && nextPhase(row.phase, row.wish.phase) === to;
    if (!goesAlong || row.wish.flip !== 'auto')
      return [
        moveTogether(
          `"${this.#group.entity.name}" is in phase ${row?.phase ?? 'unknown'}, wished to ${row?.wish.phase ?? 'nowhere'} with flip: "${row?.wish.flip ?? 'manual'}"`,
          `phase ${leader.phase}, and a wish that leads to ${to} with flip: "auto"`,
        ),
      ];
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
    if (moved) await this.#obey(row, moved, signal);
    return moved;
  }

  async #obey(before: ControlRow, moved: ControlRow, signal: AbortSignal): Promise<void> {
    // The commit and every step after it write no permit: the row alone is what counts there.
    if (this.#cosmos && !PHASES[moved.phase].sealed && PHASES[moved.phase].authority === 'cosmos')
      await bringPermitTo(moved, this.#cosmos.permits, this.#group.limits, signal);
    this.#group.observe(moved);
    if (moved.term !== before.term) this.#gates.reset();
    // What was read before may lack what was written in between.
    if (before.phase === '0') this.#watch?.reset();
  }

  // Nobody loses anything but a moment: out of time, or at a difference, the rows go back to where the seal began, same term.
  async #finish(
    row: ControlRow,
    { seal, companions }: { readonly seal: Seal; readonly companions: readonly string[] },
    signal: AbortSignal,
  ): Promise<boolean> {
    if (!this.#watch) return false;
    try {
      await this.#inTime(row, signal, (bounded) => this.#flip(row, { seal, companions }, bounded));
      this.#givenUp = 0;
      return true;
    } catch (error) {
      if (FencedError.isInstance(error) || signal.aborted) throw error;
      const unsealed = await this.#unseal(row, seal.from, signal);
      // The row had moved on: the commit succeeded, and only its answer was lost.
      if (!unsealed) {
        this.#gates.reset();
        return true;
      }
      // What fails here is found by the others themselves.
      const peers = companions.flatMap((name) => this.#peer(name) ?? []);
      await Promise.allSettled(peers.map((it) => it.#unsealIn(row.phase, seal, signal)));
      this.#noteGivenUp(seal.to, error);
      if (!SealedError.isInstance(error) && !mayTryAgain(error)) throw error;
      return false;
    }
  }

  async #flip(
    row: ControlRow,
    { seal, companions }: { readonly seal: Seal; readonly companions: readonly string[] },
    signal: AbortSignal,
  ): Promise<ControlRow | undefined> {
    const sealing = companions.map((name) => this.#sealedPeer(name, row.phase, seal, signal));
    const parts: readonly Part[] = [{ controller: this, row }, ...(await Promise.all(sealing))];
    await Promise.all(parts.map((part) => part.controller.#makeReady(part.row, signal)));
    if (parts.length === 1) return this.#move(row, seal.to, row.term + 1, signal);
    const steps = parts.map(({ row: { group, epoch, term } }) => ({
      group,
      epoch,
      phase: seal.to,
      term: term + 1,
    }));
    const moved = await this.#postgres.control.advanceAll(steps, {
      exclusive: true,
      whenMended: row.phase === '5',
      signal,
    });
    if (!moved)
      throw new SealedError({
        message: 'The step was given up: a row of the group has moved on',
        entity: row.group,
      });
    for (const [i, { controller, row: before }] of parts.entries()) {
      const after = moved[i];
      if (after) await controller.#obey(before, after, signal);
    }
    return moved[0];
  }

  async #sealedPeer(group: string, phase: Phase, seal: Seal, signal: AbortSignal): Promise<Part> {
    const controller = this.#peer(group);
    const there = controller && (await this.#postgres.control.read(group, { signal }));
    if (controller && there?.wish.flip === 'auto') {
      // The gate of this process must be closed before anybody counts on it.
      controller.#group.observe(there);
      const next = nextPhase(there.phase, there.wish.phase);
      if (there.phase === phase && next === seal.to) return { controller, row: there };
      const row =
        there.phase === seal.from && next === phase
          ? await this.#inTime(
              there,
              signal,
              (bounded) => controller.#move(there, phase, there.term, bounded),
              this.#limitOf(there),
            )
          : undefined;
      if (row) return { controller, row };
    }
    throw new SealedError({
      message: `The flip was given up: "${group}", which moves in the same step, does not go along`,
      entity: group,
    });
  }

  async #makeReady(row: ControlRow, signal: AbortSignal): Promise<void> {
    const group = this.#group;
    const [watch, gates] = [this.#watch, this.#gates];
    if (!watch || !this.#cosmos || !this.#reverse) return;
    if (row.phase === '5')
      return flipForward(row, { group, permits: this.#cosmos.permits, watch, gates }, signal);
    const { members } = this.#postgres;
    return flipBack(
      row,
      { group, reverse: this.#reverse, members, holder: this.#holder, watch, gates },
      signal,
    );
  }

  // Sealed by a leader: it commits, or takes its seal back, or is gone for so long that nobody should wait for it.
  async #followLeader(
    row: ControlRow,
    { seal, leader: name }: { readonly seal: Seal; readonly leader: string },
    signal: AbortSignal,
  ): Promise<boolean> {
    const { clock, limits } = this.#group;
    if (this.#sealSeen?.epoch !== row.epoch) this.#sealSeen = { epoch: row.epoch, at: clock.monotonic() };
    const leader = await this.#postgres.control.read(name, { signal });
    const isAlone = leader !== undefined && leader.phase !== row.phase;
    const isLeft = clock.monotonic() - this.#sealSeen.at > limits.sealTimeoutMs;
    if (!isAlone && !isLeft) return false;
    return this.#unseal(row, seal.from, signal);
  }

  async #unsealIn(phase: Phase, seal: Seal, signal: AbortSignal): Promise<void> {
    const row = await this.#postgres.control.read(this.#group.entity.name, { signal });
    if (row?.phase === phase) await this.#unseal(row, seal.from, signal);
  }

  // A step waits for what is in flight, and keeps others waiting behind it: so it has an end.
  #inTime<Result>(
    row: ControlRow,
    signal: AbortSignal,
    work: (bounded: AbortSignal) => Promise<Result>,
    limit: StepLimit = { ms: this.#group.limits.sealTimeoutMs, why: '' },
  ): Promise<Result> {
    const { clock } = this.#group;
    const late = () =>
      new SealedError({
        message: `The step was given up: it took longer than ${Math.round(limit.ms)} ms${limit.why}`,
        entity: row.group,
      });
    return withinTime({ clock, ms: limit.ms, signal, late }, work);
  }

  // Whoever seals PostgreSQL waits for its transactions, while every other call waits behind it. One of a process that stands still would
  // hold them all for as long, and end the memberships that keep reads going.
  #limitOf({ phase }: ControlRow): StepLimit | undefined {
    const ms = this.#group.limits.sealTimeoutMs / 3;
    return phase === '6' ? { ms, why: STANDS_STILL } : undefined;
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
    this.#whyGivenUp = [givenUp(error)];
    this.#blockedBy = this.#whyGivenUp;
    this.#onBlocked(to, this.#blockedBy);
  }
}
