import {
  authorityOf,
  type ControlRow,
  type Entity,
  FencedError,
  type HeldRange,
  isTransientError,
  RangeLeases,
  type RequestCost,
  UnknownOutcomeError,
} from '@polyphase/core';
import { Loops } from '../loops.ts';
import type { Pace } from '../pace/pace.ts';
import { FeedWatch } from '../relay/feed-watch.ts';
import type { CopySides } from '../relay/judge-page.ts';
import type { BackfillControl } from './backfill-control.ts';
import { BackfillLedger } from './backfill-ledger.ts';
import type { BackfillSettings } from './backfill-options.ts';
import type { BackfillProgress, BackfillState } from './backfill-progress.ts';
import { RangeCopier } from './range-copier.ts';
import { TimeLeft } from './time-left.ts';

/** What {@link EntityBackfill} works with. */
export interface EntityBackfillOptions {
  readonly entity: Entity;
  readonly settings: BackfillSettings;
  readonly control: BackfillControl;
  readonly pace: Pace;
  readonly onProgress: (progress: BackfillProgress) => void;
  /** Hears of what failed and is tried again. */
  readonly onTrouble: (where: string, error: unknown) => void;
}

const ENDED: ReadonlySet<BackfillState> = new Set(['done', 'cancelled', 'left', 'stopped', 'failed']);

/**
 * The copy of one entity in this process: lanes that take turns at the ranges of its feed that this process has, as they are shared among all processes, and a
 * supervisor that looks at what is wanted, at who is the authority, and at how far all workers together are.
 *
 * States: see {@link BackfillState}. A lane that fails goes on after a pause when trying again may help; else the copy has failed.
 */
export class EntityBackfill {
  readonly #options: EntityBackfillOptions;
  readonly #ledger: BackfillLedger;
  readonly #loops: Loops;
  readonly #copier: RangeCopier;
  readonly #watch: FeedWatch;
  readonly #timeLeft: TimeLeft;
  readonly #settled = Promise.withResolvers<void>();
  readonly #ended = Promise.withResolvers<void>();
  #stopped: Promise<void> | undefined;
  readonly #leases: RangeLeases;
  // The ranges as they are now; those at which a lane is; and when a lane was last at each of those that this process has.
  #ranges: readonly string[] = [];
  readonly #inTurn = new Set<string>();
  readonly #served = new Map<string, number>();
  #turns = 0;
  #row: ControlRow | undefined;
  #state: BackfillState = 'waiting';
  #total: number | undefined;
  #timed = 0;
  #error: unknown;

  constructor(options: EntityBackfillOptions) {
    const { entity, settings, pace } = options;
    const { stores, clock, pollMs, holder, leaseMs } = settings;
    this.#options = options;
    const { checkpoints } = stores.postgres;
    const feed = stores.cosmos.changes(entity);
    this.#ledger = new BackfillLedger({ checkpoints, entity: entity.name });
    this.#timeLeft = new TimeLeft({ clock });
    this.#watch = new FeedWatch({ group: { entity, clock }, feed, checkpoints, meter: this.#meter });
    this.#copier = new RangeCopier({
      sides: this.#sides(),
      feed,
      checkpoints,
      clock,
      pace,
      row: () => this.#row,
      goesOn: () => this.#isCopying,
      onDone: (counts) => this.#ledger.add(counts),
    });
    const { leases } = stores.postgres;
    const name = `feed:${entity.name}`;
    this.#leases = new RangeLeases({ leases, name, holder, durationMs: leaseMs, clock });
    this.#loops = new Loops({ clock, pollMs, onFailure: (loop, error) => this.#failed(loop, error) });
  }

  /** Resolves when the next entity may begin: history was copied, or will not be. */
  get settled(): Promise<void> {
    return this.#settled.promise;
  }

  /** Resolves when nothing is copied any more. */
  get ended(): Promise<void> {
    return this.#ended.promise;
  }

  /** How far it is. */
  get progress(): BackfillProgress {
    const { entity, pace } = this.#options;
    const counts = this.#ledger.counts;
    const { perSecond } = pace.budget;
    const left = this.#total === undefined ? undefined : Math.max(0, this.#total - counts.records);
    const isOver = this.#state === 'done' || this.#state === 'following';
    return {
      ...counts,
      entity: entity.name,
      state: this.#state,
      total: this.#total,
      recordsPerSecond: this.#timeLeft.perSecond,
      secondsLeft: isOver ? 0 : left === undefined ? undefined : this.#timeLeft.of(left),
      requestUnitsPerSecond: perSecond === Number.POSITIVE_INFINITY ? undefined : perSecond,
      writeShare: pace.share,
      ...(this.#error === undefined ? {} : { error: this.#error }),
    };
  }

  /** Starts the work. */
  start(): void {
    const { rangesAtOnce } = this.#options.settings;
    this.#loops.start('progress', () => this.#supervise());
    this.#loops.start('ranges', () => this.#share());
    for (let lane = 1; lane <= rangesAtOnce; lane += 1) this.#loops.start('copy', () => this.#lane());
  }

  /** Looks at once at what is wanted. */
  wake(): void {
    this.#loops.wake();
  }

  /** Ends the work in this process. What was copied stays, and the next worker goes on from there. */
  async stop(): Promise<void> {
    this.#stopped ??= this.#stop();
    return this.#stopped;
  }

  async #stop(): Promise<void> {
    if (!ENDED.has(this.#state)) this.#state = 'stopped';
    await this.#loops.stop('The backfill was stopped');
    for (const end of await Promise.allSettled([this.#leases.leave(), this.#ledger.note()]))
      if (end.status === 'rejected') this.#options.onTrouble('closing', end.reason);
    this.#options.onProgress(this.progress);
    this.#settled.resolve();
    this.#ended.resolve();
  }

  get #isCopying(): boolean {
    return this.#state === 'copying' || this.#state === 'following';
  }

  #sides(): CopySides {
    const { entity, settings } = this.#options;
    const row = (): ControlRow | undefined => this.#row;
    return {
      entity,
      stores: settings.stores,
      records: (store) => settings.stores[store].records(entity),
      get term() {
        return row()?.term ?? 1;
      },
    };
  }

  async #supervise(): Promise<number> {
    const { entity, settings, control } = this.#options;
    const { signal } = this.#loops;
    const { postgres, cosmos } = settings.stores;
    if (ENDED.has(this.#state)) return settings.pollMs;
    if (this.#state === 'waiting') await postgres.prepare([entity], { signal });
    this.#row = await postgres.control.read(entity.name, { signal });
    const wish = await control.read(entity.name, { signal });
    await this.#ledger.note({ signal });
    if (this.#row && authorityOf(this.#row.phase) === 'postgres') return this.#end('left');
    if (wish === 'cancel') return this.#end('cancelled');
    if (wish === 'pause') return this.#become('paused');
    this.#total ??= await cosmos.records(entity).count({ signal, meter: this.#meter });
    this.#ranges = (await cosmos.changes(entity).ranges({ signal })).map(({ id }) => id);
    const isOver = await this.#watch.historyRead(signal);
    if (!isOver) return this.#become('copying');
    if (!settings.follow) return this.#end('done');
    this.#settled.resolve();
    return this.#become('following');
  }

  readonly #meter = (cost: RequestCost): void => {
    this.#options.pace.meter(cost);
    this.#ledger.add({ requestUnits: cost.requestUnits });
  };

  #become(state: BackfillState): number {
    const { settings, onProgress } = this.#options;
    // A lane may have failed meanwhile.
    if (ENDED.has(this.#state)) return settings.pollMs;
    const { records } = this.#ledger.counts;
    if (state === this.#state && state === 'copying') this.#timeLeft.note(records - this.#timed);
    else if (state === 'copying') this.#timeLeft.resume();
    this.#timed = records;
    if (state !== this.#state) {
      this.#state = state;
      this.#loops.wake();
    }
    onProgress(this.progress);
    return settings.pollMs;
  }

  #end(state: BackfillState): number {
    if (!ENDED.has(this.#state)) this.#state = state;
    this.#options.onProgress(this.progress);
    this.#settled.resolve();
    this.#ended.resolve();
    return this.#options.settings.pollMs;
  }

  // In a loop of its own: while Cosmos DB lets the supervisor wait, what is held must not run out.
  async #share(): Promise<number> {
    const { pollMs, leaseMs } = this.#options.settings;
    if (this.#isCopying) await this.#leases.round(this.#ranges, this.#loops.signal);
    else if (this.#inTurn.size === 0) await this.#leases.leave();
    return Math.min(pollMs, leaseMs / 5);
  }

  async #lane(): Promise<number> {
    const { pollMs } = this.#options.settings;
    const held = this.#isCopying ? this.#next() : undefined;
    if (!held) return pollMs;
    const idleMs = pollMs / this.#leases.held.length;
    this.#inTurn.add(held.range);
    try {
      return (await this.#copier.turn(held, this.#loops.signal)) ? idleMs : 0;
    } finally {
      this.#inTurn.delete(held.range);
      // Where it cannot be given up, it runs out.
      if (held.isAskedFor)
        await held.leave().catch((error: unknown) => this.#options.onTrouble('copy', error));
    }
  }

  // The range that has waited longest.
  #next(): HeldRange | undefined {
    const servedAt = ({ range }: HeldRange): number => this.#served.get(range) ?? 0;
    const [next] = this.#leases.held
      .filter((it) => !it.isAskedFor && !this.#inTurn.has(it.range))
      .toSorted((a, b) => servedAt(a) - servedAt(b));
    if (next) this.#served.set(next.range, ++this.#turns);
    return next;
  }

  // Whether the loop must end.
  #failed(name: string, error: unknown): boolean {
    // Another worker has the range now.
    if (FencedError.isInstance(error)) return false;
    if (isTransientError(error) || UnknownOutcomeError.isInstance(error)) {
      this.#options.onTrouble(name, error);
      return false;
    }
    this.#error ??= error;
    this.#end('failed');
    return true;
  }
}
