import type { CallOptions } from './record-store.ts';

/** What shadow reads of one query shape found lately. */
export interface ShadowTally {
  /** `get`, `getMany`, or what queries have in common that differ in their values alone. */
  readonly shape: string;
  /** Reads that both stores answered alike. */
  readonly agreed: number;
  /** Reads of records that PostgreSQL had in an older version: no mismatch. */
  readonly lagged: number;
  /** Reads of records that were written meanwhile, so that nothing can be said. */
  readonly moved: number;
  /** Reads of which PostgreSQL had a record that it cannot have: another body of a version, or one that was never written. */
  readonly records: number;
  /** Reads that PostgreSQL answered otherwise although its records were the same: another order, more of them, fewer. */
  readonly answers: number;
  /** The same for Cosmos DB compared with itself, as often: what it disagrees with itself about is no fault of PostgreSQL's. */
  readonly noise: { readonly agreed: number; readonly answers: number };
}

/** What one process has found. */
export interface NotedTallies {
  readonly group: string;
  /** Name of the process in leases. */
  readonly holder: string;
  /** Epoch of the control row under which it was found. */
  readonly epoch: number;
  readonly tallies: readonly ShadowTally[];
}

/**
 * What the processes of a group found by shadow reads, for the one that walks its phases. Each process replaces its own note, so a note
 * may be repeated.
 */
export interface ShadowTallies {
  /** Replaces what a process has noted; nothing happens where it has noted something under a later epoch. */
  note(noted: NotedTallies, options?: CallOptions): Promise<void>;
  /** What every process has noted under an epoch, in the last so many milliseconds of the store's clock; a tally for each shape and process. */
  list(
    group: string,
    epoch: number,
    withinMs: number,
    options?: CallOptions,
  ): Promise<readonly ShadowTally[]>;
}
