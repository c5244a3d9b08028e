import { type CallOptions, type CheckpointStore, FencedError, isJsonObject } from '@polyphase/core';

/** What was done so far. */
export interface BackfillCounts {
  /** Changes that were read and dealt with. A page that had to be repeated counts twice. */
  readonly records: number;
  /** Bytes of their documents as JSON, estimated from some of each page. */
  readonly bytes: number;
  /** Records that were newer than their rows, and were written. */
  readonly applied: number;
  /** Documents that were given a stamp in Cosmos DB. */
  readonly stamped: number;
  /** Documents that were set aside as dead letters, and conflicts. */
  readonly setAside: number;
  /** Request units that were spent. */
  readonly requestUnits: number;
}

/** Nothing done. */
const NOTHING: BackfillCounts = Object.freeze({
  records: 0,
  bytes: 0,
  applied: 0,
  stamped: 0,
  setAside: 0,
  requestUnits: 0,
});

/** Two counts as one; the second is added so many times. */
function addCounts(a: BackfillCounts, b: Partial<BackfillCounts>, times = 1): BackfillCounts {
  const sum = (name: keyof BackfillCounts): number => a[name] + (b[name] ?? 0) * times;
  return {
    records: sum('records'),
    bytes: sum('bytes'),
    applied: sum('applied'),
    stamped: sum('stamped'),
    setAside: sum('setAside'),
    requestUnits: sum('requestUnits'),
  };
}

const ATTEMPTS = 5;

/**
 * What all workers of an entity have done, kept in PostgreSQL beside the checkpoints, for people to read: nothing is decided by it.
 * What a worker did since it noted last is lost with it.
 */
export class BackfillLedger {
  readonly #checkpoints: CheckpointStore;
  readonly #name: string;
  #pending: BackfillCounts = NOTHING;
  #noted: BackfillCounts = NOTHING;

  constructor(options: { readonly checkpoints: CheckpointStore; readonly entity: string }) {
    this.#checkpoints = options.checkpoints;
    this.#name = `backfilled:${options.entity}`;
  }

  /** What was done, by all workers as far as they have noted it, and by this one. */
  get counts(): BackfillCounts {
    return addCounts(this.#noted, this.#pending);
  }

  /** Whether this worker has counted something that it has not noted yet. */
  get hasMore(): boolean {
    return this.#pending.records > 0 || this.#pending.requestUnits > 0;
  }

  /** Counts work of this worker. */
  add(counts: Partial<BackfillCounts>): void {
    this.#pending = addCounts(this.#pending, counts);
  }

  /** Notes what this worker did, and learns what others did. */
  async note(options?: CallOptions): Promise<void> {
    for (let attempt = 1; attempt <= ATTEMPTS; attempt += 1) {
      const there = await this.#checkpoints.read(this.#name, options);
      const pending = this.#pending;
      const sum = addCounts(countsIn(there?.position), pending);
      if (!this.hasMore) {
        this.#noted = sum;
        return;
      }
      try {
        const position = JSON.stringify(sum);
        await this.#checkpoints.advance(
          { name: this.#name, expected: there?.revision ?? 0, position },
          options,
        );
      } catch (error) {
        // Another worker noted something meanwhile. What goes on being lost to others is noted the next time.
        if (FencedError.isInstance(error)) continue;
        throw error;
      }
      this.#noted = sum;
      this.#pending = addCounts(this.#pending, pending, -1);
      return;
    }
  }

  /** Forgets everything: the work begins anew. */
  async clear(options?: CallOptions): Promise<void> {
    await this.#checkpoints.remove(this.#name, options);
    this.#pending = NOTHING;
    this.#noted = NOTHING;
  }
}

function countsIn(text: string | undefined): BackfillCounts {
  const data: unknown = text === undefined ? {} : JSON.parse(text);
  if (!isJsonObject(data)) return NOTHING;
  const at = (name: keyof BackfillCounts): number => Number(data[name] ?? 0);
  return addCounts(NOTHING, {
    records: at('records'),
    bytes: at('bytes'),
    applied: at('applied'),
    stamped: at('stamped'),
    setAside: at('setAside'),
    requestUnits: at('requestUnits'),
  });
}
