import {
  type CallOptions,
  type Entity,
  InvalidOptionsError,
  type NoticeListener,
  Notices,
} from '@polyphase/core';
import { Pace } from '../pace/pace.ts';
import { checkpointName } from '../relay/checkpoint-name.ts';
import { BackfillControl, type BackfillWish } from './backfill-control.ts';
import { BackfillLedger } from './backfill-ledger.ts';
import { type BackfillOptions, type BackfillSettings, backfillSettings } from './backfill-options.ts';
import { type BackfillProgress, ProgressStream } from './backfill-progress.ts';
import { EntityBackfill } from './entity-backfill.ts';
import { type BackfillEstimate, planBackfill } from './plan-backfill.ts';

/** What a backfill tells whoever listens. Names are stable; payloads may gain fields. */
export interface BackfillNotices {
  /** How far an entity is: whenever its state changes, and about as often as it looks. */
  readonly progress: BackfillProgress;
  /** Something failed and is tried again after a pause. */
  readonly trouble: { readonly entity: string; readonly where: string; readonly error: unknown };
}

/**
 * Copies entities from Cosmos DB to PostgreSQL, without any flip: once, or once and then on and on. Make one with
 * {@link createBackfill}.
 */
export class Backfill<Entities extends readonly Entity<object>[] = readonly Entity<object>[]> {
  readonly #settings: BackfillSettings;
  readonly #control: BackfillControl;
  readonly #notices: Notices<BackfillNotices>;
  readonly #pace: Pace;
  readonly #copies: ReadonlyMap<string, EntityBackfill>;
  readonly #streams = new Set<ProgressStream>();
  readonly #stop = new AbortController();
  #running: Promise<readonly BackfillProgress[]> | undefined;

  /** @internal Use {@link createBackfill}. */
  constructor(settings: BackfillSettings) {
    const { clock, stores, entities } = settings;
    this.#settings = settings;
    this.#control = new BackfillControl({ checkpoints: stores.postgres.checkpoints });
    this.#pace = new Pace({ clock, mostPerSecond: settings.requestUnitsPerSecond });
    this.#notices = new Notices({
      onListenerError: (error) =>
        queueMicrotask(() => process.emitWarning(error instanceof Error ? error : String(error))),
    });
    this.#copies = new Map(entities.map((entity) => [entity.name, this.#copyOf(entity)]));
  }

  /**
   * Does this process's part of the work, beside every other process that runs the same: they share the ranges of each entity. An
   * entity begins when fewer than `atOnce` are being copied, in the order that was given.
   *
   * Resolves with how far each entity came when all are copied, cancelled or left; with `follow`, only when it is stopped. What
   * stands in its way for a while (429, a database that restarts, a lost connection) is waited for, with the notice `trouble`. Whatever
   * happens to this process, the next run goes on from the checkpoints: a page of each range is repeated at most, which changes nothing.
   *
   * @throws what a person must mend, once the other entities are done: among them `StoreError` when a container was made anew
   */
  run(options: CallOptions = {}): Promise<readonly BackfillProgress[]> {
    this.#running ??= this.#run(options);
    return this.#running;
  }

  /** How far an entity is. */
  status(name: Entities[number]['name']): BackfillProgress {
    return this.#named(name).progress;
  }

  /** Progress as it comes, from now on until the run ends: of each entity the latest, so that a slow reader never falls behind. */
  progress(): AsyncIterable<BackfillProgress> {
    const stream = new ProgressStream();
    this.#streams.add(stream);
    if (this.#stop.signal.aborted) stream.end();
    return stream;
  }

  /**
   * Halts the copy of an entity in every process, until it is resumed, also by a process that starts later. Each stops after the page
   * at which it is, within its `poll`.
   */
  async pause(name: Entities[number]['name'], options?: CallOptions): Promise<void> {
    await this.#wish(name, 'pause', options);
  }

  /** Lets a copy go on that was paused or cancelled, from where it was. Runs that had ended by then must be started again. */
  async resume(name: Entities[number]['name'], options?: CallOptions): Promise<void> {
    await this.#wish(name, 'run', options);
  }

  /** Ends the copy of an entity in every process. What was copied stays in PostgreSQL, and the checkpoints too. */
  async cancel(name: Entities[number]['name'], options?: CallOptions): Promise<void> {
    await this.#wish(name, 'cancel', options);
  }

  /**
   * Forgets how far the copy of an entity was, so that it begins from the beginning: wanted when its container was made anew. What is
   * in PostgreSQL stays; what is there already is not written again. Rows whose documents are not in the new container are found
   * by a reconciliation.
   */
  async startOver(name: Entities[number]['name'], options?: CallOptions): Promise<void> {
    const { checkpoints } = this.#settings.stores.postgres;
    const entity = this.#entity(name);
    const known = await checkpoints.list(checkpointName(entity, ''), options);
    for (const checkpoint of known.keys()) await checkpoints.remove(checkpoint, options);
    await new BackfillLedger({ checkpoints, entity: name }).clear(options);
  }

  /**
   * Reads everything and judges it as a copy would, and writes nothing anywhere: what could not be stored, and what the copy will cost.
   */
  async plan(options: CallOptions = {}): Promise<readonly BackfillEstimate[]> {
    const estimates: BackfillEstimate[] = [];
    for (const entity of this.#settings.entities)
      estimates.push(await planBackfill({ entity, settings: this.#settings, pace: this.#pace }, options));
    return estimates;
  }

  /** Calls `listener` at each notice of that name, until the returned function is called. */
  on<Name extends keyof BackfillNotices>(
    name: Name,
    listener: NoticeListener<BackfillNotices[Name]>,
  ): () => void {
    return this.#notices.on(name, listener);
  }

  /** Stops this process's part of the work, and gives its leases up. Clients stay open: whoever made them closes them. */
  async close(): Promise<void> {
    this.#stop.abort();
    await this.#running?.catch(() => undefined);
    for (const stream of this.#streams) stream.end();
  }

  /** The same as {@link Backfill.close}. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  async #run({ signal }: CallOptions): Promise<readonly BackfillProgress[]> {
    const ended = signal ? AbortSignal.any([signal, this.#stop.signal]) : this.#stop.signal;
    const whenEnded = new Promise<void>((resolve) => {
      if (ended.aborted) resolve();
      ended.addEventListener('abort', () => resolve(), { once: true });
    });
    const copies = [...this.#copies.values()];
    const waiting = [...copies];
    const place = async (): Promise<void> => {
      for (let copy = waiting.shift(); copy && !ended.aborted; copy = waiting.shift()) {
        copy.start();
        await Promise.race([copy.settled, whenEnded]);
        if (!this.#settings.follow) await copy.stop();
      }
    };
    await Promise.all(Array.from({ length: this.#settings.atOnce }, place));
    await Promise.race([Promise.all(copies.map((copy) => copy.ended)), whenEnded]);
    await Promise.all(copies.map((copy) => copy.stop()));
    this.#stop.abort();
    for (const stream of this.#streams) stream.end();
    const progress = copies.map((copy) => copy.progress);
    const failed = progress.find((it) => it.state === 'failed');
    if (failed) throw failed.error;
    signal?.throwIfAborted();
    return progress;
  }

  async #wish(name: string, wish: BackfillWish, options?: CallOptions): Promise<void> {
    const copy = this.#named(name);
    await this.#control.write(name, wish, options);
    copy.wake();
  }

  #copyOf(entity: Entity): EntityBackfill {
    return new EntityBackfill({
      entity,
      settings: this.#settings,
      control: this.#control,
      pace: this.#pace,
      onProgress: (progress) => {
        this.#notices.tell('progress', progress);
        for (const stream of this.#streams) stream.put(progress);
      },
      onTrouble: (where, error) => this.#notices.tell('trouble', { entity: entity.name, where, error }),
    });
  }

  #entity(name: string): Entity {
    const entity = this.#settings.entities.find((it) => it.name === name);
    if (entity) return entity;
    throw new InvalidOptionsError({
      message: `No entity "${name}" is copied; there are ${[...this.#copies.keys()].join(', ')}`,
    });
  }

  #named(name: string): EntityBackfill {
    const copy = this.#copies.get(this.#entity(name).name);
    if (copy) return copy;
    throw new InvalidOptionsError({ message: `No entity "${name}" is copied` });
  }
}

/**
 * Makes a batch migration: copies the history of entities from Cosmos DB to PostgreSQL, in the order of their importance, within a budget
 * of request units; with `follow` it goes on with whatever changes, which keeps a copy in PostgreSQL for a team that wants no
 * more than that. No application call is touched, and nothing is flipped.
 *
 * Several processes that run the same share the work. A `createHybrid` that takes an entity over later goes on from the same
 * checkpoints.
 *
 * @throws `InvalidOptionsError` with every problem
 *
 * @example
 * ```ts
 * import { defineEntity } from '@polyphase/core';
 * import { memoryDocumentStore, memoryRelationalStore } from '@polyphase/core/memory';
 * import { createBackfill } from '@polyphase/hybrid';
 * import { z } from 'zod';
 *
 * const Account = defineEntity({
 *   name: 'accounts',
 *   schema: z.object({ id: z.string(), tenantId: z.string(), email: z.string() }),
 *   key: { partition: 'tenantId', id: 'id' },
 * });
 *
 * await using backfill = createBackfill({
 *   stores: { cosmos: memoryDocumentStore(), postgres: memoryRelationalStore() },
 *   entities: [Account],
 *   order: ['accounts'],
 *   requestUnitsPerSecond: 400,
 * });
 * backfill.on('progress', ({ entity, records, total, secondsLeft }) => console.log(entity, records, total, secondsLeft));
 * await backfill.run();
 * ```
 */
export function createBackfill<const Entities extends readonly Entity<object>[]>(
  options: BackfillOptions<Entities>,
): Backfill<Entities> {
  return new Backfill<Entities>(backfillSettings(options));
}
