import {
  type ControlRow,
  FencedError,
  type GateAnswer,
  HeldLease,
  InvalidOptionsError,
  type Notices,
  type RelationalStore,
  type Wish,
} from '@polyphase/core';
import type { HybridNotices } from './hybrid-notices.ts';
import { Loops } from './loops.ts';
import type { Pace } from './pace/pace.ts';
import { BlockedNote } from './phases/blocked-note.ts';
import { Controller } from './phases/controller.ts';
import type { Group } from './phases/group.ts';
import { Membership } from './phases/membership.ts';
import { openByRow } from './phases/opening.ts';
import { PHASES, type PhaseRules, SUPPORTED } from './phases/phase-table.ts';
import { FeedWatch } from './relay/feed-watch.ts';
import { type FeedStatus, FeedWork, NO_FEED } from './relay/feed-work.ts';
import { ReverseRelay } from './relay/reverse-relay.ts';
import type { Role } from './roles.ts';
import { SDK_VERSION } from './sdk-version.ts';

/** What {@link BackgroundWork} works with. */
export interface BackgroundWorkOptions {
  readonly group: Group;
  readonly postgres: RelationalStore;
  /** What this process does beside its own calls. */
  readonly roles: ReadonlySet<Role>;
  /** Name of this process in leases. */
  readonly holder: string;
  readonly notices: Notices<HybridNotices>;
  /** How fast history may be copied. */
  readonly pace: Pace;
  /** Where config wants the entity now. */
  readonly wish: () => Wish;
  /** The controller of another entity of this process. */
  readonly peer: (entity: string) => Controller | undefined;
}

const AWAY: GateAnswer = {
  name: 'control row',
  passed: false,
  seen: 'PostgreSQL cannot be reached',
  wanted: 'a connection: the phase is kept there',
};
const LONGEST_IDLE_MS = 100;

/**
 * The loops of one entity where there is PostgreSQL. One keeps this process a member and learns where the group is. By its roles, and
 * where no other process does it now, one walks the phases and one sends the pulse through the change feed; one shares the feed's ranges
 * with other processes, and copies those that are its own; one copies dirty keys back, beside others.
 *
 * States: not joined (PostgreSQL has not been reached yet, and a loop tries to); joined; stopped.
 */
export class BackgroundWork {
  readonly #options: BackgroundWorkOptions;
  readonly #membership: Membership;
  readonly #walks: HeldLease;
  readonly #blocked: BlockedNote;
  readonly #feed: FeedWork | undefined;
  readonly #reverse: ReverseRelay | undefined;
  readonly #controller: Controller;
  readonly #loops: Loops;
  #joined = false;

  constructor(options: BackgroundWorkOptions) {
    const { group, postgres, holder, notices } = options;
    const { entity, clock, limits } = group;
    const { cosmos } = group.stores;
    this.#options = options;
    const durationMs = limits.memberLeaseMs;
    const { leases, checkpoints } = postgres;
    this.#membership = new Membership({
      members: postgres.members,
      group,
      holder,
      durationMs,
      version: SDK_VERSION,
      supports: SUPPORTED,
    });
    const leaseName = `controller:${entity.name}`;
    this.#walks = new HeldLease({ leases, name: leaseName, holder, durationMs, clock });
    this.#blocked = new BlockedNote({ group, checkpoints, leases, leaseName });
    const feed = cosmos?.changes(entity);
    this.#feed =
      cosmos &&
      feed &&
      new FeedWork({
        group,
        cosmos,
        postgres,
        feed,
        holder,
        pace: options.pace,
        goesOn: () => this.#follows,
        onFresh: (asOf, signal) => this.#membership.noteFresh(asOf, signal),
        onCopied: (records) => notices.tell('copied', { entity: entity.name, direction: 'forward', records }),
        onStalled: (stalled) => notices.tell('stalled', { entity: entity.name, ...stalled }),
        onTrouble: (error) => this.#trouble('feed relay', error),
      });
    this.#reverse = cosmos && new ReverseRelay({ group, postgres });
    this.#controller = new Controller({
      group,
      postgres,
      cosmos,
      watch: feed && new FeedWatch({ group, feed, checkpoints }),
      reverse: this.#reverse,
      holder,
      peer: options.peer,
      onBlocked: (to, answers) => notices.tell('blocked', { entity: entity.name, to, answers }),
    });
    this.#loops = new Loops({
      clock,
      pollMs: limits.pollMs,
      onFailure: (name, error) => this.#failed(name, error),
    });
  }

  /** What walks the entity, as far as this process does. */
  get controller(): Controller {
    return this.#controller;
  }

  /** Whether the control row was reached. */
  get isJoined(): boolean {
    return this.#joined;
  }

  /** Whether the authority cannot leave PostgreSQL without this process knowing. */
  get isMember(): boolean {
    return this.#joined && this.#membership.isProven;
  }

  /** What keeps the entity from where config wants it, as this process sees it, or the one that walks. */
  get blockedBy(): readonly GateAnswer[] {
    if (!this.#joined || !this.#membership.isProven) return [AWAY];
    return this.#walks.isProven ? this.#controller.blockedBy : this.#blocked.heard;
  }

  /** What is known of the change feed. */
  get feed(): FeedStatus {
    return this.#feed?.status ?? NO_FEED;
  }

  /**
   * Makes PostgreSQL ready, becomes a member, and learns from the control row where the entity is.
   *
   * @throws `InvalidOptionsError` when the wish cannot be obeyed; whatever the stores throw
   */
  async join(signal?: AbortSignal): Promise<void> {
    const { group, postgres, wish } = this.#options;
    await postgres.prepare([group.entity], { signal });
    await openByRow(group, postgres, wish(), signal);
    await this.#membership.beat(signal);
    this.#joined = true;
  }

  /** Looks at the control row, as a member. Undefined where there is none yet. */
  async look(signal?: AbortSignal): Promise<ControlRow | undefined> {
    return this.#membership.beat(signal);
  }

  /** Starts the loops. */
  start(): void {
    const { roles } = this.#options;
    this.#loops.start('membership', () => this.#beat());
    if (roles.has('controller')) this.#loops.start('controller', () => this.#walk());
    const reverse = roles.has('relay') ? this.#reverse : undefined;
    if (reverse) this.#loops.start('reverse relay', () => this.#copyBack(reverse));
    this.#feed?.start(this.#loops, roles);
  }

  /** Makes each loop take its next turn at once. */
  wake(): void {
    this.#loops.wake();
  }

  /** Ends the loops, and takes back a seal that they leave behind. Then {@link leave}. */
  async stop(message: string): Promise<void> {
    const isOurs = this.#joined && this.#walks.isProven;
    await this.#loops.stop(message);
    await this.#feed?.ended();
    if (isOurs) await this.#controller.release().catch((error: unknown) => this.#trouble('closing', error));
  }

  /** Gives everything up that others would wait for. No call may be under way any more. */
  async leave(): Promise<void> {
    const all = [this.#walks, this.#feed, this.#membership];
    for (const end of await Promise.allSettled(all.map(async (it) => it?.leave())))
      if (end.status === 'rejected') this.#trouble('closing', end.reason);
  }

  // PostgreSQL was away when this process began, and is back. Where only its wish is refused, it follows the one that is in force.
  async #joinLate(): Promise<void> {
    try {
      await this.join(this.#loops.signal);
    } catch (error) {
      if (InvalidOptionsError.isInstance(error) && this.#options.group.row) this.#joined = true;
      throw error;
    }
  }

  async #beat(): Promise<number> {
    const { group, postgres, wish } = this.#options;
    const { limits, gate, clock } = group;
    const { signal } = this.#loops;
    if (!this.#joined) await this.#joinLate();
    const row = await this.#membership.beat(signal);
    // A wish that could not be noted when config changed is noted now.
    const wanted = wish();
    if (row && row.wish.revision < wanted.revision)
      group.observe(await postgres.control.submit(row.group, wanted, { signal }));
    await this.#walks.keep(signal);
    await this.#feed?.keep(signal);
    if (!this.#walks.isProven) await this.#blocked.listen(signal);
    const pauseMs = Math.min(limits.pollMs, limits.memberLeaseMs / 6);
    if (!row || !PHASES[row.phase].sealed || gate.isIdle) return pauseMs;
    // Whoever seals waits for the calls that are under way here: their end is told at once.
    const late = new AbortController();
    await Promise.race([gate.whenIdle(late.signal).catch(() => undefined), clock.sleep(pauseMs, signal)]);
    late.abort();
    return 0;
  }

  async #walk(): Promise<number> {
    const { group } = this.#options;
    const { signal } = this.#loops;
    if (!this.#joined || !(await this.#walks.take(signal))) return group.limits.pollMs;
    const tell = () => this.#blocked.tell(this.#controller.blockedBy, this.#walks, signal);
    try {
      if (await this.#controller.step(signal)) return 0;
    } catch (error) {
      // Why it failed is said here in any case; the others hear of it where the store can be asked.
      await tell().catch(() => undefined);
      throw error;
    }
    await tell();
    return group.limits.pollMs;
  }

  async #copyBack(reverse: ReverseRelay): Promise<number> {
    const { group, notices } = this.#options;
    const { pollMs } = group.limits;
    if (!this.#rules?.reverse) return pollMs;
    const { copied, idle } = await reverse.round(this.#loops.signal);
    if (copied > 0)
      notices.tell('copied', { entity: group.entity.name, direction: 'reverse', records: copied });
    return idle ? Math.min(pollMs, LONGEST_IDLE_MS) : 0;
  }

  // Whether the feed is to be copied now, as far as this process knows.
  get #follows(): boolean {
    return this.#rules?.feed === true && !this.#options.group.isFenced;
  }

  get #rules(): PhaseRules | undefined {
    const { row } = this.#options.group;
    return this.#joined && row ? PHASES[row.phase] : undefined;
  }

  // A loop goes on, whatever failed: it may be mended meanwhile. That another process has the work now is no failure.
  #failed(name: string, error: unknown): boolean {
    if (!FencedError.isInstance(error)) this.#trouble(name, error);
    return this.#options.group.isFenced;
  }

  #trouble(where: string, error: unknown): void {
    this.#options.notices.tell('trouble', { entity: this.#options.group.entity.name, where, error });
  }
}
