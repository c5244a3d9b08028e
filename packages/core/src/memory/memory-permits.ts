import type { Permit, PermitStore, ProjectOptions, WriteLease } from '../permit.ts';
import type { CallOptions } from '../record-store.ts';
import { turn } from './memory-turn.ts';

/** Permits in memory. */
export class MemoryPermits implements PermitStore {
  readonly #permits = new Map<string, Permit>();

  async read(group: string, options?: CallOptions): Promise<Permit | undefined> {
    await turn(options);
    return this.#permits.get(group);
  }

  async create(group: string, permit: Permit, options?: CallOptions): Promise<Permit> {
    await turn(options);
    return this.#permits.get(group) ?? this.#set(group, permit);
  }

  async project(group: string, permit: Permit, options: ProjectOptions): Promise<Permit> {
    await turn(options);
    const there = this.#permits.get(group);
    return there && there.epoch !== options.over ? there : this.#set(group, permit);
  }

  async drained(group: string, epoch: number, drainMs: number, options?: CallOptions): Promise<void> {
    await turn(options);
    const there = this.#permits.get(group);
    if (there?.epoch === epoch) this.#set(group, { ...there, drainMs });
  }

  async renew(group: string, holder: string, options?: CallOptions): Promise<WriteLease | undefined> {
    // Who asks makes no difference here: nothing lags in memory, so there is no stale copy to be kept from answering.
    void holder;
    await turn(options);
    const there = this.#permits.get(group);
    if (there?.open !== true) return undefined;
    const { opening, term, leaseMs, tombstones } = there;
    return { opening, term, leaseMs, tombstones };
  }

  #set(group: string, permit: Permit): Permit {
    const stored = Object.freeze({ ...permit });
    this.#permits.set(group, stored);
    return stored;
  }
}
