import type { CallOptions } from './record-store.ts';

/** A durable, opaque "done up to here". Positions have no order: Cosmos continuation tokens have none. */
export interface Checkpoint {
  /** The opaque position. */
  readonly position: string;
  /** Rises with each advance; the token of the compare-and-set. */
  readonly revision: number;
}

/** One step of a checkpoint: happens only if it is still at `expected`, and the lease (if any) still has this fencing token. */
export interface CheckpointAdvance {
  readonly name: string;
  /** Revision that it must be at; 0 where there is none yet. */
  readonly expected: number;
  readonly position: string;
  /** The lease under which the work was done; a lost one rolls the step back. */
  readonly lease?: { readonly name: string; readonly token: number } | undefined;
}

/** Keeps positions. Advanced by compare-and-set only; a position is never moved by whoever lost its lease. */
export interface CheckpointStore {
  /** The checkpoint of that name, if there is one. */
  read(name: string, options?: CallOptions): Promise<Checkpoint | undefined>;
  /** Names and checkpoints that start with `prefix`. */
  list(prefix: string, options?: CallOptions): Promise<ReadonlyMap<string, Checkpoint>>;
  /**
   * Moves a checkpoint.
   *
   * @throws {@link FencedError} when it is not at `expected`, or the lease has another token
   */
  advance(step: CheckpointAdvance, options?: CallOptions): Promise<Checkpoint>;
  /** Removes a checkpoint; nothing happens where there is none. */
  remove(name: string, options?: CallOptions): Promise<void>;
}
