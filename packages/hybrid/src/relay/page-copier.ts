import {
  type CheckpointAdvance,
  type CopyOutcome,
  keyText,
  type RecordCopy,
  type RequestMeter,
} from '@polyphase/core';
import { applyFitting, type RefusedCopy } from './apply-fitting.ts';
import { asDeadLetter, type CopySides, type FoundPage, judgePage } from './judge-page.ts';

/** What became of one page. */
export interface CopiedPage {
  /** Records that were written to PostgreSQL: those that were newer than its rows. */
  readonly applied: number;
  /** Documents that were given a stamp in Cosmos DB. */
  readonly stamped: number;
  /** Documents and records that were set aside. */
  readonly setAside: number;
}

/** How fast documents may be stamped. */
export interface StampPace {
  /** Waits until the next requests may go. */
  ready(signal: AbortSignal): Promise<void>;
  /** Hears what they took. */
  readonly meter: RequestMeter;
}

/** Documents that are written to Cosmos DB between two looks at the pace: about what is in flight together. */
const STAMPS = 50;

/**
 * Copies one page of the change feed to PostgreSQL: the one thing that relay and backfill both do.
 *
 * While Cosmos DB is the authority, a page goes through four states: read; stamped (documents without a valid stamp get one in
 * Cosmos DB first, under their ETag); applied together with the checkpoint, in one transaction, under this process's fencing
 * token; or given up (the token was lost, so the transaction rolls back and another process reads the page again).
 * While PostgreSQL is the authority it only watches: what a straggler or a foreign writer left in Cosmos DB goes to the journal.
 */
export class PageCopier {
  readonly #sides: CopySides;
  readonly #pace: StampPace | undefined;

  /** @param pace - how fast documents may be stamped; as fast as they come where there is none */
  constructor(sides: CopySides, pace?: StampPace) {
    this.#sides = sides;
    this.#pace = pace;
  }

  /**
   * Judges, stamps and applies a page, and moves the checkpoint with it. A page that was copied before changes nothing but the
   * checkpoint.
   *
   * @throws {@link FencedError} when the checkpoint has moved or its lease was lost, {@link TransactionConflictError} when the authority
   * has moved: nothing was applied; whatever else the stores throw
   */
  async copy(found: FoundPage, checkpoint: CheckpointAdvance, signal: AbortSignal): Promise<CopiedPage> {
    const { row } = found;
    const judged = await judgePage(this.#sides, found, signal);
    const { written: stamped, refused: unfit } = await this.#write(judged.stamps, signal);
    // Stamps, corrections and closed letters all come before the checkpoint: if this ends in between, the page is read again.
    const corrected = await this.#write(judged.corrections, signal);
    const letters = [...unfit, ...corrected.refused].map(({ record, error }) =>
      asDeadLetter(this.#sides.entity, record, { path: [], message: error.message }),
    );
    const journal = [...judged.journal, ...letters];
    const copies = [...judged.copies, ...stamped];
    await this.#resolve(copies, signal);
    const outcomes = await this.#sides.records('postgres').apply(copies, {
      checkpoint,
      judgedIn: row && { group: row.group, term: row.term },
      journal,
      signal,
    });
    const count = (...kinds: readonly CopyOutcome['kind'][]): number =>
      outcomes.filter(({ kind }) => kinds.includes(kind)).length;
    // What the table refuses has changed nothing; what is of two minds is kept beside.
    const refused = count('changed', 'diverged', 'straggler');
    return {
      applied: count('applied'),
      stamped: stamped.length,
      setAside: journal.length + refused,
    };
  }

  async #write(
    copies: readonly RecordCopy[],
    signal: AbortSignal,
  ): Promise<{ readonly written: readonly RecordCopy[]; readonly refused: readonly RefusedCopy[] }> {
    const written: RecordCopy[] = [];
    const refused: RefusedCopy[] = [];
    const step = this.#pace ? STAMPS : copies.length;
    for (let at = 0; at < copies.length; at += step) {
      await this.#pace?.ready(signal);
      const options = { signal, meter: this.#pace?.meter };
      const some = copies.slice(at, at + step);
      const applied = await applyFitting(this.#sides.records('cosmos'), some, options);
      refused.push(...applied.refused);
      for (const outcome of applied.outcomes)
        if (outcome?.kind === 'applied') written.push({ record: outcome.record });
    }
    return { written, refused };
  }

  async #resolve(copies: readonly RecordCopy[], signal: AbortSignal): Promise<void> {
    const { entity, stores } = this.#sides;
    const journal = stores.postgres?.journal;
    if (!journal || copies.length === 0) return;
    if ((await journal.count(entity.name, { signal })).deadLetters === 0) return;
    await journal.resolve(
      entity.name,
      copies.map((copy) => keyText(copy.record.key)),
      { signal },
    );
  }
}
