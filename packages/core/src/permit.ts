import type { CallOptions } from './record-store.ts';

/**
 * A projection of the control row that lives in Cosmos DB, and alone grants leases to write there: to processes with and without
 * PostgreSQL alike. A write to it carries the epoch of the row it projects, and goes over the permit that it was derived from.
 */
export interface Permit {
  /** Epoch of the row that this projects. 0: there was no row. */
  readonly epoch: number;
  /** Whether leases are granted. */
  readonly open: boolean;
  /** Epoch at which it was last opened. A lease belongs to one opening. */
  readonly opening: number;
  readonly term: number;
  /** Length of new leases, in milliseconds. */
  readonly leaseMs: number;
  /** Length of the longest lease that may still run, in milliseconds. */
  readonly drainMs: number;
  /** Whether deletes must leave tombstones, whatever a process was told: from phase 1 on PostgreSQL follows. */
  readonly tombstones: boolean;
}

/** The right to write to Cosmos DB for a while. Counted on the monotonic clock from before it was asked for. */
export interface WriteLease {
  readonly opening: number;
  readonly term: number;
  readonly leaseMs: number;
  /** Whether deletes under it must leave tombstones. */
  readonly tombstones: boolean;
}

/** What a projection goes over. */
export interface ProjectOptions extends CallOptions {
  /** Epoch of the permit that it was derived from; undefined: from none. */
  readonly over: number | undefined;
}

/** Keeps permits. Row first, permit second, always. */
export interface PermitStore {
  /** The permit of a group, if there is one. */
  read(group: string, options?: CallOptions): Promise<Permit | undefined>;
  /** Makes the permit unless there is one; answers with the one that is there. */
  create(group: string, permit: Permit, options?: CallOptions): Promise<Permit>;
  /**
   * Writes a permit over the one that it was derived from, and over no other: one that was not read may have granted longer leases. Answers
   * with the permit that is there afterwards: this one, or the one that came between.
   */
  project(group: string, permit: Permit, options: ProjectOptions): Promise<Permit>;
  /** Notes that no lease longer than `drainMs` runs any more, if the permit's epoch is still `epoch`. */
  drained(group: string, epoch: number, drainMs: number, options?: CallOptions): Promise<void>;
  /**
   * Takes or renews a lease by a conditional write that names its holder ("open"), never by a plain read: a lagging replica still
   * says open. Undefined when the permit is closed or absent.
   */
  renew(group: string, holder: string, options?: CallOptions): Promise<WriteLease | undefined>;
}
