import {
  type CacheStore,
  ConnectionError,
  defineEntity,
  isPolyphaseError,
  type JsonObject,
  keyText,
  type RecordStore,
  type RecordSummary,
} from '@polyphase/core';
import { memoryDocumentStore, memoryRelationalStore } from '@polyphase/core/memory';
import { type ManualClock, manualClock } from '@polyphase/core/testing';
import { z } from 'zod';
import { createHybrid, type Hybrid, type HybridStores, type ProtocolOptions } from '../src/index.ts';
import { FaultPlan, faultyStores } from './faulty-stores.ts';

/** The entity of the walks. */
export const Note = defineEntity({
  name: 'notes',
  schema: z.object({
    id: z.string(),
    owner: z.string(),
    text: z.string(),
    rank: z.number().optional(),
  }),
  key: { partition: 'owner', id: 'id' },
  indexes: [{ fields: ['text'] }, { fields: ['rank'] }],
});

/** Another entity, which stays in Cosmos DB. */
export const Other = defineEntity({
  name: 'others',
  schema: z.object({ id: z.string(), owner: z.string(), text: z.string() }),
  key: { partition: 'owner', id: 'id' },
});

/** Everything as in production, only shorter. */
export const protocol = {
  lease: 600,
  armedLease: 200,
  sealTimeout: '5s',
  poll: 20,
  memberLease: '2s',
  soak: 0,
  shadowReads: 2,
  shadowWindow: 100,
} as const;

type Opened = Hybrid<HybridStores, readonly [typeof Note, typeof Other]>;

/** One process after the other over the same stores in memory, in time that passes only when somebody waits. */
export class VirtualWorld {
  readonly clock: ManualClock = manualClock();
  readonly cosmos = memoryDocumentStore({ clock: this.clock, ranges: 3 });
  readonly postgres = memoryRelationalStore({ clock: this.clock });
  readonly notices: string[] = [];
  plan = new FaultPlan();
  readonly #cache: CacheStore | undefined;
  #hybrid: Opened | undefined;
  #wish: { revision: number; entities: JsonObject } = {
    revision: 1,
    entities: { notes: { policy: 'cosmos-only' }, others: { policy: 'cosmos-only' } },
  };

  readonly #note: typeof Note;
  readonly #protocol: ProtocolOptions;

  constructor(
    options: {
      readonly cache?: (options: { readonly clock: ManualClock }) => CacheStore;
      /** The entity of the walks, as this world has it. @default Note */
      readonly note?: typeof Note;
      /** Times and bounds that differ. @default those of the walks */
      readonly protocol?: ProtocolOptions;
    } = {},
  ) {
    this.#cache = options.cache?.({ clock: this.clock });
    this.#note = options.note ?? Note;
    this.#protocol = { ...protocol, ...options.protocol };
  }

  /** The process that is at work. */
  get hybrid(): Opened {
    if (!this.#hybrid) throw new ConnectionError({ message: 'No process is at work' });
    return this.#hybrid;
  }

  /** Whether a process has died and its calls may fail for good. */
  get isReplacing(): boolean {
    return this.plan.isDead || this.#hybrid === undefined;
  }

  /** Starts a process that wants what was wished last. One that cannot start is started again, as an orchestrator would. */
  async start(plan = new FaultPlan()): Promise<void> {
    this.plan = plan;
    for (;;) {
      const opening = createHybrid<HybridStores, readonly [typeof Note, typeof Other]>({
        stores: {
          ...faultyStores({ cosmos: this.cosmos, postgres: this.postgres }, this.plan),
          ...(this.#cache && { cache: this.#cache }),
        },
        entities: [this.#note, Other],
        config: { loaded: this.#wish },
        protocol: this.#protocol,
        clock: this.clock,
      });
      try {
        this.#hybrid = await this.passing(opening);
        this.#listen(this.#hybrid);
        return;
      } catch (error) {
        if (!isPolyphaseError(error) || !error.retryable) throw error;
        this.notices.push(`start failed: ${error.message}`);
        if (this.plan.isDead) this.plan = new FaultPlan();
      }
    }
  }

  /** Replaces a process that has died. */
  async revive(): Promise<void> {
    if (!this.plan.isDead) return;
    const dead = this.#hybrid;
    this.#hybrid = undefined;
    await this.passing(dead?.close({ drainMs: 0 }) ?? Promise.resolve());
    this.notices.push('process replaced');
    await this.start();
  }

  /** Config changes, in this process and every later one. */
  async wish(policy: JsonObject): Promise<void> {
    const { revision, entities } = this.#wish;
    this.#wish = { revision: revision + 1, entities: { ...entities, notes: policy } };
    await this.passing(this.hybrid.configure({ loaded: this.#wish }));
  }

  /** Lets time pass until it is so. Dead processes are replaced on the way. */
  async until(what: string, holds: () => boolean, limitMs = 120_000): Promise<void> {
    const end = this.clock.monotonic() + limitMs;
    while (this.plan.isDead || !holds()) {
      if (this.clock.monotonic() > end) {
        const status = JSON.stringify(this.hybrid.status('notes'));
        throw new Error(
          `${what}: not within ${limitMs} ms; ${status}\n${this.notices.slice(-12).join('\n')}`,
        );
      }
      await this.revive();
      await this.clock.advance(this.clock.nextMs ?? 1);
    }
  }

  /** Lets time pass until a promise is settled. */
  async passing<Result>(promise: Promise<Result>): Promise<Result> {
    const over = new AbortController();
    const settled = promise.finally(() => over.abort());
    settled.catch(() => undefined);
    for (let i = 0; !over.signal.aborted && i < 100_000; i += 1)
      await this.clock.advance(this.clock.nextMs ?? 1);
    return settled;
  }

  /** Waits until both stores are at rest, and tells what differs between them: live keys, versions and digests. */
  async differences(): Promise<readonly string[]> {
    let found: readonly string[] = [];
    const end = this.clock.monotonic() + 10_000;
    while (this.clock.monotonic() < end) {
      found = differing(
        await liveOf(this.cosmos.records(this.#note)),
        await liveOf(this.postgres.records(this.#note)),
      );
      if (found.length === 0) break;
      await this.clock.advance(this.clock.nextMs ?? 1);
    }
    return found;
  }

  /** Ends the process in good order. */
  async close(): Promise<void> {
    await this.passing(this.#hybrid?.close({ drainMs: 0 }) ?? Promise.resolve());
  }

  #listen(hybrid: Opened): void {
    hybrid.on('phase', ({ from, to, term }) => this.notices.push(`phase ${from} -> ${to} term ${term}`));
    hybrid.on('blocked', ({ to, answers }) => this.notices.push(`blocked ${to}: ${JSON.stringify(answers)}`));
    hybrid.on('trouble', ({ where, error }) => this.notices.push(`trouble ${where}: ${String(error)}`));
  }
}

async function liveOf(records: RecordStore): Promise<ReadonlyMap<string, string>> {
  const all: RecordSummary[] = [];
  for await (const page of records.scan()) all.push(...page);
  const live = new Map<string, string>();
  for (const { key, version, digest } of all) {
    const record = await records.read(key);
    if (record?.value !== undefined) live.set(keyText(key), `${version.term}.${version.counter} ${digest}`);
  }
  return live;
}

function differing(a: ReadonlyMap<string, string>, b: ReadonlyMap<string, string>): readonly string[] {
  const keys = new Set([...a.keys(), ...b.keys()]);
  return [...keys].flatMap((key) =>
    a.get(key) === b.get(key) ? [] : [`${key}: ${a.get(key) ?? '-'} / ${b.get(key) ?? '-'}`],
  );
}
