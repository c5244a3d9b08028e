import {
  type CheckpointStore,
  type Clock,
  FencedError,
  isJsonObject,
  type JsonObject,
} from '@polyphase/core';
import type { BackfillLedger } from '../backfill/backfill-ledger.ts';
import { TimeLeft } from '../backfill/time-left.ts';
import type { StalledRange } from './stall-alarm.ts';

/** How far all processes together have copied history. */
export interface HistoryProgress {
  /** Records that were read and dealt with. */
  readonly records: number;
  /** Records that are still to be read, as far as can be told: undefined while they are being counted. */
  readonly left: number | undefined;
  /** Records in a second, of late. */
  readonly recordsPerSecond: number | undefined;
  /** Seconds until history is read, at that rate. */
  readonly secondsLeft: number | undefined;
}

/** What the process that watches the feed tells the others of it. For people to read: nothing is decided by it. */
export interface FeedReport {
  /** Changes that were still to be copied when they were counted last, as an estimate. */
  readonly lagChanges: number | undefined;
  /** The ranges that stand still. */
  readonly stalled: readonly StalledRange[];
  /** How history is being copied; undefined once it was. */
  readonly backfill: HistoryProgress | undefined;
}

/** Where nothing is known. */
export const NO_REPORT: FeedReport = Object.freeze({
  lagChanges: undefined,
  stalled: [],
  backfill: undefined,
});

/** Time between two reports of which nobody would see a difference. */
const REPEAT_MS = 10_000;
/** Age at which a report tells nothing any more: whoever made it is gone. */
const OLD_MS = 60_000;

/** What {@link FeedReports} works with. */
export interface FeedReportsOptions {
  readonly clock: Clock;
  readonly checkpoints: CheckpointStore;
  readonly entity: string;
}

/** Reports of a feed, kept in PostgreSQL beside its checkpoints: one process writes them, all can read them. */
export class FeedReports {
  readonly #options: FeedReportsOptions;
  readonly #name: string;
  #written = '';
  #writtenAt = Number.NEGATIVE_INFINITY;

  constructor(options: FeedReportsOptions) {
    this.#options = options;
    this.#name = `reported:${options.entity}`;
  }

  /** Puts a report in the place of the one before, where they differ. */
  async write(report: FeedReport, signal: AbortSignal): Promise<void> {
    const { clock, checkpoints } = this.#options;
    const text = JSON.stringify(report);
    if (text === this.#written && clock.monotonic() - this.#writtenAt < REPEAT_MS) return;
    const there = await checkpoints.read(this.#name, { signal });
    const position = JSON.stringify({ ...report, atMs: clock.now() });
    try {
      await checkpoints.advance({ name: this.#name, expected: there?.revision ?? 0, position }, { signal });
    } catch (error) {
      // Another process reports as well, for a moment.
      if (!FencedError.isInstance(error)) throw error;
    }
    this.#written = text;
    this.#writtenAt = clock.monotonic();
  }

  /** The last report. */
  async read(signal: AbortSignal): Promise<FeedReport> {
    const { clock, checkpoints } = this.#options;
    const there = await checkpoints.read(this.#name, { signal });
    const data: unknown = there && JSON.parse(there.position);
    if (!isJsonObject(data) || clock.now() - Number(data['atMs']) > OLD_MS) return NO_REPORT;
    const { lagChanges, stalled, backfill } = data;
    return {
      lagChanges: numberIn(lagChanges),
      stalled: Array.isArray(stalled) ? stalled.filter(isJsonObject).map(stalledIn) : [],
      backfill: isJsonObject(backfill) ? progressIn(backfill) : undefined,
    };
  }
}

/** Tells how far history was copied, out of what all that copy have noted. */
export class HistoryWatch {
  readonly #ledger: BackfillLedger;
  readonly #count: (signal: AbortSignal) => Promise<number>;
  readonly #timeLeft: TimeLeft;
  #total: number | undefined;
  #timed: number | undefined;

  constructor(options: {
    readonly ledger: BackfillLedger;
    readonly clock: Clock;
    /** Counts the live documents. It costs, so it is asked once. */
    readonly count: (signal: AbortSignal) => Promise<number>;
  }) {
    this.#ledger = options.ledger;
    this.#count = options.count;
    this.#timeLeft = new TimeLeft(options);
  }

  /** Looks how far it is. */
  async look(signal: AbortSignal): Promise<HistoryProgress> {
    const { records, stamped } = this.#ledger.counts;
    if (this.#timed === undefined) this.#timeLeft.resume();
    else this.#timeLeft.note(records - this.#timed);
    this.#timed = records;
    this.#total ??= await this.#count(signal);
    // What was stamped comes once more.
    const left = Math.max(0, this.#total + stamped - records);
    return {
      records,
      left,
      recordsPerSecond: this.#timeLeft.perSecond,
      secondsLeft: this.#timeLeft.of(left),
    };
  }
}

const numberIn = (value: unknown): number | undefined => (typeof value === 'number' ? value : undefined);
const textIn = (value: unknown): string | undefined => (typeof value === 'string' ? value : undefined);

function stalledIn(data: JsonObject): StalledRange {
  const { range, sinceMs, holder, advice } = data;
  return {
    range: textIn(range),
    sinceMs: numberIn(sinceMs) ?? 0,
    holder: textIn(holder),
    advice: textIn(advice) ?? '',
  };
}

function progressIn(data: JsonObject): HistoryProgress {
  const { records, left, recordsPerSecond, secondsLeft } = data;
  return {
    records: numberIn(records) ?? 0,
    left: numberIn(left),
    recordsPerSecond: numberIn(recordsPerSecond),
    secondsLeft: numberIn(secondsLeft),
  };
}
