import type { Checkpoint, CheckpointAdvance, CheckpointStore } from '../checkpoint.ts';
import { FencedError } from '../errors.ts';
import { compareText } from '../order.ts';
import type { CallOptions } from '../record-store.ts';
import type { MemoryLeases } from './memory-leases.ts';
import { turn } from './memory-turn.ts';

/** Checkpoints in memory. */
export class MemoryCheckpoints implements CheckpointStore {
  readonly #leases: MemoryLeases;
  readonly #checkpoints = new Map<string, Checkpoint>();

  constructor(options: { readonly leases: MemoryLeases }) {
    this.#leases = options.leases;
  }

  async read(name: string, options?: CallOptions): Promise<Checkpoint | undefined> {
    await turn(options);
    return this.#checkpoints.get(name);
  }

  async list(prefix: string, options?: CallOptions): Promise<ReadonlyMap<string, Checkpoint>> {
    await turn(options);
    const found = [...this.#checkpoints].filter(([name]) => name.startsWith(prefix));
    return new Map(found.toSorted(([a], [b]) => compareText(a, b)));
  }

  async advance(step: CheckpointAdvance, options?: CallOptions): Promise<Checkpoint> {
    await turn(options);
    return this.advanceNow(step);
  }

  async remove(name: string, options?: CallOptions): Promise<void> {
    await turn(options);
    this.#checkpoints.delete(name);
  }

  /**
   * Takes the step without waiting for anything, so that it is one with whatever else is done now.
   *
   * @throws {@link FencedError} when the checkpoint is not where it was expected, or the lease was lost
   */
  advanceNow({ name, expected, position, lease }: CheckpointAdvance): Checkpoint {
    if (lease && !this.#leases.isHeld(lease.name, lease.token))
      throw new FencedError({ message: 'The lease was lost; another moves this checkpoint', key: name });
    const revision = this.#checkpoints.get(name)?.revision ?? 0;
    if (revision !== expected)
      throw new FencedError({ message: `The checkpoint is at ${revision}, not at ${expected}`, key: name });
    const next = Object.freeze({ position, revision: revision + 1 });
    this.#checkpoints.set(name, next);
    return next;
  }
}
