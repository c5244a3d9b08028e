import {
  type ChangeFeed,
  type CheckpointStore,
  HeldLease,
  type LeaseManager,
  TimeoutError,
} from '@polyphase/core';
import type { Group } from '../phases/group.ts';
import { orAborted } from '../phases/or-aborted.ts';
import { withinTime } from '../phases/time-limit.ts';
import { FeedMarkers, type MarkerSet } from './feed-markers.ts';
import { StallAlarm, type StalledRange } from './stall-alarm.ts';

/** Time between two markers where reads count on them; where shadow reads do; and else between two pairs. Each marker is a write. */
const FAST_MS = 100;
const SHADOW_MS = 250;
const SLOW_MS = 1_000;
/** Pause between two looks at a marker that is on its way. */
const FAST_LOOK_MS = 50;
const SLOW_LOOK_MS = 250;

/** What {@link FeedPulse} works with. */
export interface FeedPulseOptions {
  readonly group: Group;
  readonly feed: ChangeFeed;
  readonly checkpoints: CheckpointStore;
  readonly leases: LeaseManager;
  /** Name of this process in leases. */
  readonly holder: string;
  /** Whether the feed is to be copied now. */
  readonly goesOn: () => boolean;
  /** Is told at which moment of the monotonic clock PostgreSQL held everything. */
  readonly onFresh: (asOf: number, signal: AbortSignal) => Promise<void>;
  /** Is told of a range that stands still, once. */
  readonly onStalled: (stalled: StalledRange) => void;
}

/**
 * The pulse of a change feed: markers are sent through it again and again, by one process for all, and come out as far as the processes
 * that copy have come. So it tells how fresh PostgreSQL is, and is the canary that tells when the feed stands still.
 *
 * Freshness is that of the whole entity, whoever reads: an entity's feed does not tell which range a key is of, so that a read of one
 * key cannot count on its own range alone.
 *
 * States: standing by, since another process has the lease or nothing is to be copied; a set of markers on its way; a set passed, which
 * wants a second one to prove that everything is copied (see {@link FeedMarkers}); resting until the next.
 */
export class FeedPulse {
  readonly #options: FeedPulseOptions;
  readonly #lease: HeldLease;
  readonly #markers: FeedMarkers;
  readonly #alarm: StallAlarm;
  #sent: MarkerSet | undefined;
  #first: { readonly sentAt: number; readonly passedAt: number } | undefined;
  #silentSince: number | undefined;
  #lagChanges: number | undefined;
  #dueAt = Number.NEGATIVE_INFINITY;

  constructor(options: FeedPulseOptions) {
    const { group, leases, holder, onStalled } = options;
    const { clock, entity, limits } = group;
    this.#options = options;
    const ranges = `feed:${entity.name}:range:`;
    this.#lease = new HeldLease({
      leases,
      name: `pulse:${entity.name}`,
      holder,
      durationMs: limits.memberLeaseMs,
      clock,
    });
    this.#markers = new FeedMarkers(options);
    this.#alarm = new StallAlarm({
      clock,
      afterMs: limits.stallAfterMs,
      holders: async (signal) => {
        const held = await leases.list(ranges, { signal });
        return new Map([...held].map(([name, by]) => [name.slice(ranges.length), by.holder]));
      },
      onStalled,
    });
  }

  /** Whether this process sends the markers for all. */
  get isOurs(): boolean {
    return this.#lease.isProven;
  }

  /** Changes that were still to be copied at the last look; undefined before the first. */
  get lagChanges(): number | undefined {
    return this.#lagChanges;
  }

  /** The ranges that stand still, as far as this process has the pulse. */
  get stalled(): readonly StalledRange[] {
    return this.#alarm.stalled;
  }

  /** One turn: sends markers, or looks whether they have come out. Answers when to do so again. */
  async turn(signal: AbortSignal): Promise<number> {
    const { goesOn, group } = this.#options;
    const { clock, entity, limits } = group;
    if (!goesOn() || !(await this.#lease.take(signal))) {
      this.#forget();
      return limits.pollMs;
    }
    const late = () =>
      new TimeoutError({ message: 'The stores did not answer in time', entity: entity.name });
    const limit = { clock, ms: limits.stallAfterMs, signal, late };
    try {
      return await withinTime(limit, (bounded) => orAborted(this.#beat(bounded), bounded));
    } catch (error) {
      if (this.#silentSince !== undefined && !signal.aborted)
        await this.#alarm.noteSilent(this.#silentSince, signal);
      throw error;
    }
  }

  /** Makes the lease last while a turn takes long. */
  async keep(signal: AbortSignal): Promise<void> {
    await this.#lease.keep(signal);
  }

  /** Gives the pulse up, so that another process need not wait. */
  async leave(): Promise<void> {
    await this.#lease.leave();
  }

  async #beat(signal: AbortSignal): Promise<number> {
    const { clock, limits, rules } = this.#options.group;
    const now = clock.monotonic();
    if (!this.#sent && now < this.#dueAt) return Math.min(this.#dueAt - now, limits.pollMs);
    const sent = (this.#sent ??= await this.#send(signal));
    const { behind, changes, isGone } = await this.#markers.look(sent, signal);
    if (isGone) {
      this.#sent = undefined;
      return 0;
    }
    this.#lagChanges = changes;
    await this.#alarm.note(behind, sent.sentAt, signal);
    if (behind.size > 0) return Math.min(limits.pollMs, rules.inline ? FAST_LOOK_MS : SLOW_LOOK_MS);
    await this.#passed(sent, signal);
    return 0;
  }

  async #send(signal: AbortSignal): Promise<MarkerSet> {
    this.#silentSince ??= this.#options.group.clock.monotonic();
    const sent = await this.#markers.send(signal);
    this.#silentSince = undefined;
    return sent;
  }

  // Where reads count on it, each set is the second one of the set before. Else two are sent, and then none for a while.
  async #passed({ sentAt }: MarkerSet, signal: AbortSignal): Promise<void> {
    const { group, onFresh } = this.#options;
    const { inline, freshReads } = group.rules;
    const first = this.#first;
    // A set of a turn that was given up, whose answer came late, is no second one.
    const isProof = first !== undefined && sentAt >= first.passedAt;
    this.#sent = undefined;
    this.#first = isProof && !inline ? undefined : { sentAt, passedAt: group.clock.monotonic() };
    const nextMs = inline && !freshReads ? SHADOW_MS : FAST_MS;
    this.#dueAt = sentAt + (this.#first === undefined ? SLOW_MS : nextMs);
    if (isProof) await onFresh(first.sentAt, signal);
  }

  #forget(): void {
    this.#sent = undefined;
    this.#first = undefined;
    this.#silentSince = undefined;
    this.#lagChanges = undefined;
    this.#alarm.forget();
  }
}
