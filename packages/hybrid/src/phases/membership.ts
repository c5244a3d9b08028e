import type { ControlRow, Members, Phase } from '@polyphase/core';
import type { Group } from './group.ts';
import { PHASES } from './phase-table.ts';

/** Time between two notes of how fresh PostgreSQL is: each is a write. */
const NOTE_MS = 200;

/** What {@link Membership} works with. */
export interface MembershipOptions {
  readonly members: Members;
  readonly group: Group;
  /** Name of this process in leases. */
  readonly holder: string;
  readonly durationMs: number;
  /** Version of the SDK. */
  readonly version: string;
  /** Phases that it knows the rules of. */
  readonly supports: readonly Phase[];
}

/**
 * This process as one of those that serve a group. While its membership runs, the authority cannot leave PostgreSQL unless this
 * process has said that none of its calls goes by an earlier control row any more; so it may answer reads from there.
 *
 * States: none; running, from before the beat was asked for; run out (a pause, or PostgreSQL is away), until the next beat.
 */
export class Membership {
  readonly #options: MembershipOptions;
  #endsAt = Number.NEGATIVE_INFINITY;
  #obeyed = 0;
  #told: { readonly at: number; readonly nowMs: number } | undefined;
  #notedAt = Number.NEGATIVE_INFINITY;

  constructor(options: MembershipOptions) {
    this.#options = options;
  }

  /** Whether it runs now. */
  get isProven(): boolean {
    return this.#options.group.clock.monotonic() < this.#endsAt;
  }

  /**
   * Makes the membership last, and learns where the group is. Undefined where there is no control row yet.
   *
   * @throws whatever the store throws
   */
  async beat(signal?: AbortSignal): Promise<ControlRow | undefined> {
    const { members, group, holder, ...said } = this.#options;
    const askedAt = group.clock.monotonic();
    const epoch = this.#obeys();
    const beat = { group: group.entity.name, holder, epoch, ...said };
    const { row, nowMs, freshAtMs } = await members.beat(beat, { signal });
    this.#told = { at: group.clock.monotonic(), nowMs };
    if (!row) return undefined;
    group.observe(row);
    this.#endsAt = Math.max(this.#endsAt, askedAt + said.durationMs);
    // A note from the future was made before the store's clock was set back, and tells nothing.
    if (freshAtMs !== undefined && freshAtMs <= nowMs) group.noteFresh(askedAt - (nowMs - freshAtMs));
    return row;
  }

  /** Tells every member that PostgreSQL held all that Cosmos DB had at a moment of this process's monotonic clock. */
  async noteFresh(asOf: number, signal?: AbortSignal): Promise<void> {
    const { members, group } = this.#options;
    group.noteFresh(asOf);
    const now = group.clock.monotonic();
    if (!this.#told || now - this.#notedAt < Math.min(group.limits.pollMs, NOTE_MS)) return;
    this.#notedAt = now;
    // The store was asked for its date before it answered, so this is not later than that moment was there.
    await members.noteFresh(group.entity.name, this.#told.nowMs + (asOf - this.#told.at), { signal });
  }

  /** Takes this process off the list. None of its calls may be under way. */
  async leave(): Promise<void> {
    const { members, group, holder } = this.#options;
    this.#endsAt = Number.NEGATIVE_INFINITY;
    await members.leave(group.entity.name, holder);
  }

  // Where the phase is sealed, calls of before may still be under way; only when they are over is the seal obeyed.
  #obeys(): number {
    const { row, gate } = this.#options.group;
    if (row && (!PHASES[row.phase].sealed || gate.isIdle)) this.#obeyed = row.epoch;
    return this.#obeyed;
  }
}
