import type { ChangeFeed, DocumentStore, RelationalStore } from '@polyphase/core';
import { BackfillLedger } from '../backfill/backfill-ledger.ts';
import type { Loops } from '../loops.ts';
import type { Pace } from '../pace/pace.ts';
import type { Group } from '../phases/group.ts';
import type { Role } from '../roles.ts';
import { FeedPulse } from './feed-pulse.ts';
import { FeedRelay, type RelayProgress } from './feed-relay.ts';
import { type FeedReport, FeedReports, HistoryWatch, NO_REPORT } from './feed-report.ts';
import type { StalledRange } from './stall-alarm.ts';

/** Time between two reports, and between two looks at those of another process. */
const REPORT_MS = 1_000;
const LOOK_MS = 5_000;

/** What {@link FeedWork} works with. */
export interface FeedWorkOptions {
  readonly group: Group;
  readonly cosmos: DocumentStore;
  readonly postgres: RelationalStore;
  readonly feed: ChangeFeed;
  /** Name of this process in leases. */
  readonly holder: string;
  /** How fast history may be copied. */
  readonly pace: Pace;
  /** Whether the feed is to be copied now. */
  readonly goesOn: () => boolean;
  /** Is told at which moment of the monotonic clock PostgreSQL held everything. */
  readonly onFresh: (asOf: number, signal: AbortSignal) => Promise<void>;
  /** Hears of records that were written. */
  readonly onCopied: (records: number) => void;
  /** Is told of a range that stands still, once. */
  readonly onStalled: (stalled: StalledRange) => void;
  /** Hears of what failed and is tried again. */
  readonly onTrouble: (error: unknown) => void;
}

/** What is known of the change feed of an entity. */
export interface FeedStatus extends FeedReport {
  readonly copied: RelayProgress;
}

/** Where there is no feed. */
export const NO_FEED: FeedStatus = Object.freeze({
  ...NO_REPORT,
  copied: { read: 0, historyRead: false, requestUnits: 0 },
});

/** Everything that this process does about the change feed of one entity: it copies, watches and tells, each by its roles. */
export class FeedWork {
  readonly #options: FeedWorkOptions;
  readonly #ledger: BackfillLedger;
  readonly #relay: FeedRelay;
  readonly #pulse: FeedPulse;
  readonly #reports: FeedReports;
  readonly #history: HistoryWatch;
  #report = NO_REPORT;

  constructor(options: FeedWorkOptions) {
    const { group, postgres, cosmos, pace } = options;
    const { clock, entity } = group;
    const { checkpoints, leases } = postgres;
    const stores = { checkpoints, leases };
    this.#options = options;
    this.#ledger = new BackfillLedger({ checkpoints, entity: entity.name });
    this.#relay = new FeedRelay({ ...options, ...stores, ledger: this.#ledger });
    this.#pulse = new FeedPulse({ ...options, ...stores });
    this.#reports = new FeedReports({ clock, checkpoints, entity: entity.name });
    this.#history = new HistoryWatch({
      ledger: this.#ledger,
      clock,
      count: (signal) => cosmos.records(entity).count({ signal, meter: pace.meter }),
    });
  }

  /** What is known: as far as this process watches by itself, else as it was told last by the one that does. */
  get status(): FeedStatus {
    const own = this.#pulse.isOurs ? { ...this.#report, ...this.#seen } : this.#report;
    return { ...own, copied: this.#relay.progress };
  }

  /** Starts the loops that the roles of this process want. */
  start(loops: Loops, roles: ReadonlySet<Role>): void {
    const { signal } = loops;
    if (roles.has('relay')) {
      loops.start('feed ranges', () => this.#relay.look(signal));
      loops.start('feed relay', () => this.#relay.share(signal));
    }
    // A controller watches as well: that nobody copies at all is told, too.
    if (roles.has('relay') || roles.has('controller'))
      loops.start('feed pulse', () => this.#pulse.turn(signal));
    loops.start('feed report', () => this.#tell(signal));
  }

  /** Makes what is held last while a turn takes long. */
  async keep(signal: AbortSignal): Promise<void> {
    await this.#pulse.keep(signal);
  }

  /** Resolves when nothing is copied here any more, once the loops have ended. */
  async ended(): Promise<void> {
    await this.#relay.ended();
  }

  /** Gives up what other processes would wait for. */
  async leave(): Promise<void> {
    await Promise.all([this.#relay.leave(), this.#pulse.leave()]);
  }

  get #seen(): Pick<FeedReport, 'lagChanges' | 'stalled'> {
    return { lagChanges: this.#pulse.lagChanges, stalled: this.#pulse.stalled };
  }

  async #tell(signal: AbortSignal): Promise<number> {
    const { goesOn, group } = this.#options;
    if (!goesOn()) {
      this.#report = NO_REPORT;
      return group.limits.pollMs;
    }
    const isHistory = !this.#relay.progress.historyRead;
    const { isOurs } = this.#pulse;
    if (this.#ledger.hasMore || (isOurs && isHistory)) await this.#ledger.note({ signal });
    if (!isOurs) {
      this.#report = await this.#reports.read(signal);
      return isHistory ? REPORT_MS : LOOK_MS;
    }
    const backfill = isHistory ? await this.#history.look(signal) : undefined;
    this.#report = { ...this.#seen, backfill };
    await this.#reports.write(this.#report, signal);
    return REPORT_MS;
  }
}
