import { randomUUID } from 'node:crypto';
import {
  type CheckpointStore,
  type FeedRange,
  HeldLease,
  type HeldRange,
  InvalidOptionsError,
  type LeaseManager,
  type PolyphaseError,
  RangeLeases,
  StoreError,
  TimeoutError,
} from '@polyphase/core';
import type { CosmosContainer } from '../cosmos-container.ts';
import { failureOf } from '../cosmos-errors.ts';
import { FeedPages } from '../feed-pages.ts';
import { boundsOf, formatPosition } from '../feed-position.ts';
import type { ProcessorSettings, ProcessorTrouble } from './processor-options.ts';
import { type Beginning, ProcessorPositions, partsOf } from './processor-positions.ts';
import { RangeReader } from './range-reader.ts';

const LONGEST_TURN_MS = 5_000;

/** What a {@link ProcessorRun} works with. */
export interface ProcessorRunOptions {
  readonly settings: ProcessorSettings;
  readonly items: CosmosContainer;
  /** What the names of leases and checkpoints begin with. */
  readonly key: string;
  readonly leases: LeaseManager;
  readonly checkpoints: CheckpointStore;
}

/**
 * A processor between its start and its stop.
 *
 * One loop renews leases, looks at the container, and takes or gives up ranges; each range that it has is read by a reader of its own.
 * States: begun or not; at work; stopping (no page is begun any more, leases are renewed until the last reader has ended or the time is
 * over); stopped. A failure that nothing can mend stops it, too.
 */
export class ProcessorRun {
  readonly #options: ProcessorRunOptions;
  readonly #holder = randomUUID();
  readonly #pages: FeedPages;
  readonly #positions: ProcessorPositions;
  readonly #shared: RangeLeases;
  readonly #stopping = new AbortController();
  readonly #stopped = new AbortController();
  readonly #readers = new Map<string, Promise<void>>();
  #beginning: Beginning | undefined;
  #ranges: readonly FeedRange[] = [];
  #worked: readonly string[] = [];
  #looking: Promise<void> | undefined;
  #tending: Promise<void> | undefined;
  #woken = new AbortController();

  constructor(options: ProcessorRunOptions) {
    const { settings, items, key, leases, checkpoints } = options;
    const { container, allVersions, leaseMs, clock } = settings;
    this.#options = options;
    this.#pages = new FeedPages({ items, entity: container.id, allVersions });
    this.#positions = new ProcessorPositions({ checkpoints, name: key });
    this.#shared = new RangeLeases({ leases, name: key, holder: this.#holder, durationMs: leaseMs, clock });
  }

  /** Whether it is at work. */
  get isRunning(): boolean {
    return !this.#stopping.signal.aborted;
  }

  /**
   * Sees to it that each range has a place where it begins: one processor of the name does so, and the others wait for it.
   *
   * @throws whatever keeps it from that
   */
  async begin(signal?: AbortSignal): Promise<void> {
    const { settings, key, leases } = this.#options;
    const { clock, leaseMs, pollMs } = settings;
    const lease = new HeldLease({
      leases,
      name: `${key}:begin`,
      holder: this.#holder,
      durationMs: leaseMs,
      clock,
    });
    try {
      while (!(await this.#join(signal))) {
        if (await lease.take(signal)) await this.#beginAll(signal);
        else await clock.sleep(pollMs, signal);
      }
    } finally {
      await lease.leave();
    }
  }

  /** Starts the loops. */
  start(): void {
    this.#tending = this.#tend();
  }

  /**
   * Ends: no page is begun any more, and handlers have `drainMs` for those that they have. What they do not end in that time is told to
   * them by their signal, and handed over again elsewhere.
   */
  async stop(drainMs: number): Promise<void> {
    const { clock } = this.#options.settings;
    this.#stopping.abort();
    this.#woken.abort();
    const late = new AbortController();
    const drained = this.#drained().finally(() => late.abort());
    await Promise.race([drained, clock.sleep(drainMs, late.signal).catch(() => undefined)]);
    this.#stopped.abort();
    // A round that is under way could take what was just left.
    await this.#tending;
    await this.#shared.leave().catch((error: unknown) => this.#tell(error, { where: 'feed' }));
  }

  async #drained(): Promise<void> {
    while (this.#readers.size > 0) await Promise.all(this.#readers.values());
    this.#woken.abort();
  }

  // How the first began, once it has; then every range of now has a place, for what was put in the way of one since.
  async #join(signal: AbortSignal | undefined): Promise<boolean> {
    const { settings } = this.#options;
    const beginning = await this.#positions.beginning({ signal });
    if (!beginning) return false;
    this.#beginning = beginning;
    const gone = await this.#gone(signal);
    if (gone) throw gone;
    if (beginning.allVersions !== settings.allVersions)
      throw new InvalidOptionsError({
        message: `Processors of the name "${settings.name}" began in another mode; use that mode, or another name`,
        operation: 'start',
      });
    return true;
  }

  async #beginAll(signal: AbortSignal | undefined): Promise<void> {
    const { items, settings } = this.#options;
    const { from, allVersions } = settings;
    const gone = await this.#gone(signal);
    if (gone) throw gone;
    const { rid } = await items.info({ signal });
    const known = [...(await this.#positions.all({ signal })).keys()].map(boundsOf);
    for (const range of await this.#pages.ranges({ signal })) {
      const { min, max } = boundsOf(range.id);
      if (known.some((it) => it.min < max && it.max > min)) continue;
      const start = formatPosition({ rid, parts: [{ min, max, token: '' }] });
      const position = from === 'now' ? await this.#pages.end(range, { signal }) : start;
      await this.#positions.begin(range.id, position, { signal });
    }
    const sinceMs = from instanceof Date ? from.getTime() : undefined;
    await this.#positions.noteBeginning({ rid, sinceMs, allVersions }, { signal });
  }

  async #tend(): Promise<void> {
    const { clock, leaseMs } = this.#options.settings;
    const turnMs = Math.min(leaseMs / 4, LONGEST_TURN_MS);
    const stopped = this.#stopped.signal;
    while (!stopped.aborted && (this.isRunning || this.#readers.size > 0)) {
      // A new one for each turn: whoever wakes this turn has not missed it.
      const woken = new AbortController();
      this.#woken = woken;
      await this.#turn(leaseMs / 3).catch((error: unknown) => this.#trouble(error));
      await clock.sleep(turnMs, woken.signal).catch(() => undefined);
    }
  }

  async #turn(mostMs: number): Promise<void> {
    const { clock } = this.#options.settings;
    const late = new AbortController();
    const over = new AbortController();
    const limit = clock.sleep(mostMs, over.signal).then(
      () =>
        late.abort(new TimeoutError({ message: 'The leases did not answer in time', operation: 'lease' })),
      () => undefined,
    );
    const end = (): void => late.abort(this.#stopped.signal.reason);
    this.#stopped.signal.addEventListener('abort', end, { once: true });
    try {
      if (!this.isRunning) return await this.#shared.keep(late.signal);
      // Leases are renewed however long the container takes to answer.
      this.#looking ??= this.#look().finally(() => (this.#looking = undefined));
      await Promise.race([this.#looking, clock.sleep(mostMs / 2, over.signal).catch(() => undefined)]);
      for (const held of await this.#shared.round(this.#worked, late.signal)) this.#read(held);
    } finally {
      this.#stopped.signal.removeEventListener('abort', end);
      over.abort();
      await limit;
    }
  }

  async #look(): Promise<void> {
    try {
      const gone = await this.#gone();
      if (gone) return this.#fail(gone);
      this.#ranges = await this.#pages.ranges();
      this.#worked = [...(await this.#positions.all()).keys()];
    } catch (error) {
      await this.#trouble(error);
    }
  }

  #read(held: HeldRange): void {
    const { range } = held;
    const beginning = this.#beginning;
    if (!beginning || !this.isRunning || this.#readers.has(range)) return;
    const reader = new RangeReader(held, {
      settings: this.#options.settings,
      pages: this.#pages,
      positions: this.#positions,
      beginning,
      stopping: this.#stopping.signal,
      stopped: this.#stopped.signal,
      partsOf: (whole) => partsOf(whole, this.#ranges),
      onTrouble: (error, where) =>
        where === 'feed' ? this.#trouble(error, range) : this.#handlerThrew(error, range),
    });
    const reading = reader.run().finally(() => {
      this.#readers.delete(range);
      // What it made room for can be taken at once.
      this.#woken.abort();
    });
    this.#readers.set(range, reading);
  }

  async #handlerThrew(error: unknown, range: string): Promise<void> {
    this.#tell(error, { where: 'handler', range });
  }

  async #trouble(failure: unknown, range?: string): Promise<void> {
    const fatal = await this.#fatalOf(failure).catch(() => undefined);
    if (fatal) this.#fail(fatal);
    else this.#tell(failure, { where: 'feed', range });
  }

  // What cannot be mended by trying again: a container that is no more, or is another one.
  async #fatalOf(error: unknown): Promise<PolyphaseError | undefined> {
    if (!InvalidOptionsError.isInstance(error) && !StoreError.isInstance(error)) return undefined;
    const gone = await this.#gone();
    return gone ?? (isMissing(error) ? error : undefined);
  }

  async #gone(signal?: AbortSignal): Promise<PolyphaseError | undefined> {
    const { items, settings } = this.#options;
    items.forget();
    try {
      const { rid } = await items.info({ signal });
      return this.#beginning && rid !== this.#beginning.rid ? this.#recreated() : undefined;
    } catch (error) {
      if (!isMissing(error)) throw error;
      const { name, container } = settings;
      return new InvalidOptionsError({
        message: this.#beginning
          ? `The container "${container.id}" does not exist any more; process what comes in its place under another name than "${name}"`
          : `The container "${container.id}" does not exist; create it before its changes are processed`,
        operation: 'feed',
        cause: error,
      });
    }
  }

  #recreated(): StoreError {
    const { name, container } = this.#options.settings;
    return new StoreError({
      message: `The container "${container.id}" was deleted and created again since "${name}" began; process the new one under another name`,
      operation: 'feed',
    });
  }

  #fail(failure: unknown): void {
    if (!this.isRunning) return;
    this.stop(0).catch(() => undefined);
    this.#tell(failure, { where: 'feed', isFatal: true });
  }

  #tell(error: unknown, trouble: Partial<ProcessorTrouble> & Pick<ProcessorTrouble, 'where'>): void {
    try {
      this.#options.settings.onError(error, { range: undefined, isFatal: false, ...trouble });
    } catch {
      // The application's own; it was told, and nothing depends on what it made of that.
    }
  }
}

function isMissing(error: unknown): error is InvalidOptionsError {
  return InvalidOptionsError.isInstance(error) && failureOf(error.cause).status === 404;
}
