import {
  FencedError,
  type GateAnswer,
  InvalidOptionsError,
  type Notices,
  type RelationalStore,
  type Wish,
} from '@polyphase/core';
import type { HybridNotices } from './hybrid-notices.ts';
import { Loops } from './loops.ts';
import { Controller } from './phases/controller.ts';
import type { Group } from './phases/group.ts';
import { Membership } from './phases/membership.ts';
import { openByRow } from './phases/opening.ts';
import { PHASES, type PhaseRules } from './phases/phase-table.ts';
import { FeedRelay } from './relay/feed-relay.ts';
import { ReverseRelay } from './relay/reverse-relay.ts';

/** What {@link BackgroundWork} works with. */
export interface BackgroundWorkOptions {
  readonly group: Group;
  readonly postgres: RelationalStore;
  /** Name of this process in leases. */
  readonly holder: string;
  readonly notices: Notices<HybridNotices>;
  /** Where config wants the entity now. */
  readonly wish: () => Wish;
}

const AWAY: GateAnswer = {
  name: 'control row',
  passed: false,
  seen: 'PostgreSQL cannot be reached',
  wanted: 'a connection: the phase is kept there',
};
const LONGEST_IDLE_MS = 100;

/**
 * The loops of one entity where there is PostgreSQL: one walks its phases, one keeps this process's right to do so, two copy changes
 * there and back.
 *
 * States: not joined (PostgreSQL has not been reached yet, and the walking loop tries to); joined; stopped.
 */
export class BackgroundWork {
  readonly #options: BackgroundWorkOptions;
  readonly #membership: Membership;
  readonly #relay: FeedRelay | undefined;
  readonly #reverse: ReverseRelay | undefined;
  readonly #controller: Controller;
  readonly #loops: Loops;
  #joined = false;

  constructor(options: BackgroundWorkOptions) {
    const { group, postgres, holder, notices } = options;
    const { entity, clock, limits } = group;
    const { cosmos } = group.stores;
    this.#options = options;
    const membership = new Membership({
      leases: postgres.leases,
      group: entity.name,
      holder,
      durationMs: limits.memberLeaseMs,
      clock,
    });
    this.#membership = membership;
    this.#relay = cosmos && new FeedRelay({ group, feed: cosmos.changes(entity), membership });
    this.#reverse = cosmos && new ReverseRelay({ group, postgres, membership });
    this.#controller = new Controller({
      group,
      postgres,
      cosmos,
      relay: this.#relay,
      reverse: this.#reverse,
      onBlocked: (to, answers) => notices.tell('blocked', { entity: entity.name, to, answers }),
    });
    this.#loops = new Loops({
      clock,
      pollMs: limits.pollMs,
      onFailure: (name, error) => this.#failed(name, error),
    });
  }

  /** Whether the control row was reached. */
  get isJoined(): boolean {
    return this.#joined;
  }

  /** Whether nobody but this process can move the control row now. */
  get holdsRow(): boolean {
    return this.#joined && this.#membership.isProven;
  }

  /** What keeps the entity from where config wants it. */
  get blockedBy(): readonly GateAnswer[] {
    return this.#joined ? this.#controller.blockedBy : [AWAY];
  }

  /** Records that the feed relay has read, and whether it has seen the end of history. */
  get copied(): { readonly read: number; readonly historyRead: boolean } {
    return this.#relay?.progress ?? { read: 0, historyRead: false };
  }

  /**
   * Takes the right to work on the control row, and learns from it where the entity is.
   *
   * @throws `InvalidOptionsError` when the wish cannot be obeyed, or another process is at work; whatever the stores throw
   */
  async join(signal?: AbortSignal): Promise<void> {
    const { group, postgres, wish } = this.#options;
    await postgres.prepare([group.entity], { signal });
    await this.#membership.join(signal);
    await openByRow(group, postgres, wish(), signal);
    this.#joined = true;
  }

  /** Starts the loops. */
  start(): void {
    this.#loops.start('controller', () => this.#walk());
    this.#loops.start('membership', () => this.#keep());
    const relay = this.#relay;
    const reverse = this.#reverse;
    if (relay)
      this.#loops.start('feed relay', () =>
        this.#copy('forward', async (signal) => {
          const { applied, idle } = await relay.round(signal);
          return { copied: applied, idle };
        }),
      );
    if (reverse)
      this.#loops.start('reverse relay', () => this.#copy('reverse', (signal) => reverse.round(signal)));
  }

  /** Makes each loop take its next turn at once. */
  wake(): void {
    this.#loops.wake();
  }

  /** Ends the loops, and takes back a seal that they leave behind. Then {@link leave}. */
  async stop(message: string): Promise<void> {
    const isOurs = this.#joined && this.#membership.state === 'held';
    await this.#loops.stop(message);
    if (isOurs) await this.#controller.release().catch((error: unknown) => this.#trouble('closing', error));
  }

  /** Gives the right to work on the control row up, so that the next process need not wait for it. */
  async leave(): Promise<void> {
    await this.#membership.leave().catch((error: unknown) => this.#trouble('closing', error));
  }

  // PostgreSQL was away when this process began, and is back.
  async #joinLate(): Promise<void> {
    const { group } = this.#options;
    try {
      await this.join(this.#loops.signal);
    } catch (error) {
      // At the start either would have been refused. Now calls are, when another process is at work; and where only the wish is
      // refused, this process follows the one that is in force.
      const { state } = this.#membership;
      if (state === 'taken') group.fence(error instanceof Error ? error.message : String(error));
      else if (InvalidOptionsError.isInstance(error) && state === 'held' && group.row) this.#joined = true;
      throw error;
    }
  }

  async #walk(): Promise<number> {
    const { group, postgres } = this.#options;
    const { signal } = this.#loops;
    if (!this.#joined) await this.#joinLate();
    // A wish that could not be noted when config changed is noted now.
    const wish = this.#options.wish();
    if (group.row && group.row.wish.revision < wish.revision)
      await postgres.control.submit(group.row.group, wish, { signal });
    return (await this.#controller.step(signal)) ? 0 : group.limits.pollMs;
  }

  async #keep(): Promise<number> {
    if (this.#joined) await this.#membership.keep(this.#loops.signal);
    return this.#options.group.limits.memberLeaseMs / 6;
  }

  async #copy(
    direction: 'forward' | 'reverse',
    round: (signal: AbortSignal) => Promise<{ readonly copied: number; readonly idle: boolean }>,
  ): Promise<number> {
    const { group, notices } = this.#options;
    const { pollMs } = group.limits;
    const rules: PhaseRules | undefined = group.row && PHASES[group.row.phase];
    if (!this.#joined || !(direction === 'forward' ? rules?.feed : rules?.reverse)) return pollMs;
    const { copied, idle } = await round(this.#loops.signal);
    if (copied > 0) notices.tell('copied', { entity: group.entity.name, direction, records: copied });
    return idle ? Math.min(pollMs, LONGEST_IDLE_MS) : 0;
  }

  // Whether the loop must end: only where another process has taken over. Anything else may be mended while it goes on.
  #failed(name: string, error: unknown): boolean {
    const { group } = this.#options;
    if (FencedError.isInstance(error))
      group.fence(`Another process has taken over this entity: ${error.message}`);
    this.#trouble(name, error);
    return group.isFenced;
  }

  #trouble(where: string, error: unknown): void {
    this.#options.notices.tell('trouble', { entity: this.#options.group.entity.name, where, error });
  }
}
