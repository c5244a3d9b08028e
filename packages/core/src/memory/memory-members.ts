import type { Clock } from '../clock.ts';
import type { Phase } from '../control.ts';
import type { Beat, BeatAnswer, Member, Members } from '../members.ts';
import type { CallOptions } from '../record-store.ts';
import type { MemoryControl } from './memory-control.ts';
import { turn } from './memory-turn.ts';

interface Entry {
  readonly holder: string;
  readonly epoch: number;
  readonly version: string;
  readonly supports: readonly Phase[];
  readonly endsAt: number;
}

/** Members in memory, timed by the store's clock. */
export class MemoryMembers implements Members {
  readonly #clock: Clock;
  readonly #control: MemoryControl;
  readonly #groups = new Map<string, Map<string, Entry>>();
  readonly #freshAt = new Map<string, number>();

  constructor(options: { readonly clock: Clock; readonly control: MemoryControl }) {
    this.#clock = options.clock;
    this.#control = options.control;
  }

  async beat(
    { group, holder, epoch, version, supports, durationMs }: Beat,
    options?: CallOptions,
  ): Promise<BeatAnswer> {
    await turn(options);
    return this.#control.sharing(group, options?.signal, (row) => {
      const nowMs = this.#clock.now();
      if (!row) return { row, nowMs, freshAtMs: undefined };
      const now = this.#clock.monotonic();
      const entries = this.#groups.get(group) ?? new Map<string, Entry>();
      this.#groups.set(group, entries);
      entries.set(holder, { holder, epoch, version, supports: [...supports], endsAt: now + durationMs });
      return { row, nowMs, freshAtMs: this.#freshAt.get(group) };
    });
  }

  async list(group: string, options?: CallOptions): Promise<readonly Member[]> {
    await turn(options);
    const now = this.#clock.monotonic();
    return [...(this.#groups.get(group)?.values() ?? [])]
      .filter(({ endsAt }) => endsAt > now)
      .map(({ endsAt, ...member }) => ({ ...member, remainingMs: endsAt - now }));
  }

  async leave(group: string, holder: string, options?: CallOptions): Promise<void> {
    await turn(options);
    this.#groups.get(group)?.delete(holder);
  }

  async noteFresh(group: string, atMs: number, options?: CallOptions): Promise<void> {
    await turn(options);
    this.#freshAt.set(group, atMs);
  }
}
