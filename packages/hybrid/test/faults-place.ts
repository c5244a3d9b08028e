import { setTimeout as pause } from 'node:timers/promises';
import { type Container, CosmosClient, PartitionKeyDefinitionVersion } from '@azure/cosmos';
import {
  type Clock,
  type GateAnswer,
  isPolyphaseError,
  type JsonObject,
  type RecordStore,
  UnknownOutcomeError,
} from '@polyphase/core';
import { compositeIndexesFor, cosmosStore } from '@polyphase/cosmos';
import { CosmosEmulator } from '@polyphase/cosmos-emulator';
import { postgresStore } from '@polyphase/postgres';
import { Pool } from 'pg';
import { vi } from 'vitest';
import {
  createHybrid,
  type Hybrid,
  type HybridStores,
  type ProtocolOptions,
  type RepositoryOf,
} from '../src/index.ts';
import { Note, protocol } from './virtual-world.ts';

/** The config that leads to a phase. */
export const POLICIES = {
  '0': { policy: 'cosmos-only', flip: 'auto' },
  '2': { policy: 'dual-write', flip: 'auto' },
  '3': { policy: 'dual-write', reads: 'postgres', flip: 'auto' },
  '6': { policy: 'postgres-primary', flip: 'auto' },
  '7': { policy: 'postgres-primary', reverseSync: false, flip: 'auto' },
} as const satisfies { readonly [phase in string]: JsonObject };

/** A phase that a config can want. */
export type Wanted = keyof typeof POLICIES;

/** How a process of {@link FaultPlace} differs from the others. */
export interface OpenOptions {
  readonly protocol?: ProtocolOptions;
  readonly clock?: Clock;
  /** @default with both stores */
  readonly stores?: 'cosmos';
}

type Opened = Hybrid<HybridStores, readonly [typeof Note]>;

/** One process over the stores of a place, and what it told. */
export interface FaultProcess {
  readonly hybrid: Opened;
  readonly notes: RepositoryOf<typeof Note>;
  /** Phases that it saw, in order. */
  readonly phases: readonly string[];
  /** Errors of background work, as `where: message`. */
  readonly troubles: readonly string[];
  wish(phase: Wanted): Promise<void>;
  reached(phase: string): Promise<void>;
  /** Waits until these gates, by name, keep the entity where it is. */
  blocked(name: string): Promise<GateAnswer>;
}

/** A Cosmos DB account and a PostgreSQL database of one test, and processes between them. */
export class FaultPlace {
  readonly emulator = new CosmosEmulator({ partitions: 2 });
  readonly client = new CosmosClient({
    ...this.emulator.clientOptions(),
    // As in production the driver repeats what was throttled, though not for as long.
    connectionPolicy: {
      retryOptions: { maxRetryAttemptCount: 2, fixedRetryIntervalInMilliseconds: 0, maxWaitTimeInSeconds: 1 },
    },
  });
  readonly pool: Pool;
  readonly entity: typeof Note;
  #opened: { close(options: { drainMs: number }): Promise<void> }[] = [];
  #revision = 0;

  private constructor(url: string, entity: typeof Note) {
    this.entity = entity;
    this.pool = new Pool({ connectionString: url, max: 10, connectionTimeoutMillis: 1_000 });
    this.pool.on('error', () => undefined);
  }

  /** Makes a place; the database is emptied. */
  static async make(url: string, entity: typeof Note = Note): Promise<FaultPlace> {
    const place = new FaultPlace(url, entity);
    await place.pool.query('drop schema if exists polyphase cascade; drop table if exists notes');
    await place.client.databases.create({ id: 'app' });
    await place.createContainer();
    return place;
  }

  get container(): Container {
    return this.client.database('app').container('notes');
  }

  /** Makes the container, as the team did before the SDK came. */
  async createContainer(): Promise<void> {
    await this.client.database('app').containers.create({
      id: 'notes',
      partitionKey: { paths: ['/owner'], version: PartitionKeyDefinitionVersion.V2 },
      indexingPolicy: { compositeIndexes: compositeIndexesFor(this.entity) },
    });
  }

  /** The stores, apart from those of any process. */
  get stores() {
    return {
      cosmos: cosmosStore({
        database: this.client.database('app'),
        map: { notes: { otherReaders: 'acknowledged' } },
      }),
      postgres: postgresStore({ pool: this.pool, timeoutMs: 2_000 }),
    };
  }

  /** The config that leads to a phase, with a revision above all before. */
  config(phase: Wanted): { loaded: JsonObject } {
    this.#revision += 1;
    return { loaded: { revision: this.#revision, entities: { notes: POLICIES[phase] } } };
  }

  /** Starts a process. */
  async open(phase: Wanted, options: OpenOptions = {}): Promise<FaultProcess> {
    const { stores } = this;
    const hybrid = await createHybrid<HybridStores, readonly [typeof Note]>({
      stores: options.stores === 'cosmos' ? { cosmos: stores.cosmos } : stores,
      entities: [this.entity],
      config: this.config(phase),
      protocol: { ...protocol, hold: '3s', ...options.protocol },
      ...(options.clock && { clock: options.clock }),
    });
    this.#opened.push(hybrid);
    const phases: string[] = [];
    const troubles: string[] = [];
    hybrid.on('phase', ({ to }) => phases.push(to));
    hybrid.on('trouble', ({ where, error }) => troubles.push(`${where}: ${String(error)}`));
    const status = () => hybrid.status('notes');
    const told = (): string =>
      `in ${status().phase ?? '-'}; ${JSON.stringify(status().blockedBy)}; ${troubles.slice(-3).join('; ')}`;
    return {
      hybrid,
      notes: hybrid.repository(this.entity),
      phases,
      troubles,
      wish: async (wanted) => void (await hybrid.configure(this.config(wanted))),
      reached: (wanted) =>
        vi.waitFor(
          () => {
            if (status().phase !== wanted) throw new Error(`not in ${wanted}: ${told()}`);
          },
          { timeout: 20_000, interval: 10 },
        ),
      blocked: (name) =>
        vi.waitFor(
          () => {
            const found = status().blockedBy.find((answer) => answer.name === name);
            if (!found) throw new Error(`not blocked by "${name}": ${told()}`);
            return found;
          },
          { timeout: 20_000, interval: 10 },
        ),
    };
  }

  /** What only one of the stores holds of live records, with versions and digests, once that is nothing or was waited for in vain. */
  async differences(): Promise<readonly string[]> {
    const { cosmos, postgres } = this.stores;
    const end = performance.now() + 15_000;
    for (;;) {
      const [ours, theirs] = [
        await liveIn(postgres.records(this.entity)),
        await liveIn(cosmos.records(this.entity)),
      ];
      const found = [
        ...ours.filter((it) => !theirs.includes(it)),
        ...theirs.filter((it) => !ours.includes(it)),
      ];
      if (found.length === 0 || performance.now() > end) return found;
      await pause(50);
    }
  }

  async close(): Promise<void> {
    this.emulator.faults.clear();
    for (const hybrid of this.#opened) await hybrid.close({ drainMs: 100 });
    await this.pool.end();
    this.client.dispose();
  }
}

/**
 * Clients that write all the while, one for each record, and remember what was acknowledged. They do what errors say: what may be
 * tried again is, under the same operation id.
 */
export class Writers {
  readonly #services: readonly FaultProcess[];
  readonly #acknowledged = new Map<string, number>();
  readonly #over = new AbortController();
  readonly #running: Promise<void>[];
  /** Codes of errors that clients met. */
  readonly codes = new Set<string>();
  readonly #wrongs: string[] = [];

  constructor(services: readonly FaultProcess[], owners: readonly string[] = ['ada', 'bob', 'cyd']) {
    this.#services = services;
    this.#running = owners.map((owner) => this.#write(owner));
  }

  /** How many writes were acknowledged. */
  get count(): number {
    return [...this.#acknowledged.values()].reduce((sum, n) => sum + n, 0);
  }

  /** Waits until some more writes were acknowledged. */
  async goOn(more = 6): Promise<void> {
    const to = this.count + more;
    await vi.waitFor(
      () => {
        if (this.count <= to)
          throw new Error(`${this.count} writes, not more than ${to}; ${this.#wrongs.join()}`);
      },
      { timeout: 20_000, interval: 10 },
    );
  }

  /** Ends them. Tells what was wrong: errors that nobody can do anything about, and acknowledged writes that a process does not find. */
  async end(): Promise<readonly string[]> {
    this.#over.abort();
    await Promise.all(this.#running);
    for (const { notes } of this.#services)
      for (const [owner, n] of this.#acknowledged) {
        const found = await patiently(() => notes.get({ owner, id: '1' }));
        if (found?.value.rank !== n)
          this.#wrongs.push(`${owner}: ${found?.value.rank ?? 'nothing'}, not ${n}`);
      }
    return this.#wrongs;
  }

  async #write(owner: string): Promise<void> {
    for (let n = 1; !this.#over.signal.aborted; n += 1) {
      const operationId = `${owner}-${n}`;
      const value = { id: '1', owner, text: `${n}`, rank: n };
      try {
        await patiently(
          () => this.#service(n).upsert(value, { operationId }),
          (code) => this.codes.add(code),
        );
      } catch (error) {
        this.#wrongs.push(String(error));
        return;
      }
      this.#acknowledged.set(owner, n);
      await pause(5);
    }
  }

  #service(n: number): FaultProcess['notes'] {
    const service = this.#services[n % this.#services.length];
    if (!service) throw new Error('no process');
    return service.notes;
  }
}

/** Repeats a call for as long as its errors say that it may be repeated. */
export async function patiently<Result>(
  call: () => Promise<Result>,
  onError: (code: string) => void = () => undefined,
): Promise<Result> {
  for (;;) {
    try {
      return await call();
    } catch (error) {
      onError(isPolyphaseError(error) ? error.code : 'unknown');
      if (!isPolyphaseError(error) || !(error.retryable || UnknownOutcomeError.isInstance(error)))
        throw error;
    }
    await pause(20);
  }
}

async function liveIn(records: RecordStore): Promise<readonly string[]> {
  const live: string[] = [];
  for await (const page of records.scan())
    for (const { key, version, digest } of page)
      if ((await records.read(key))?.value !== undefined)
        live.push(`${String(key.partition[0])}/${key.id} ${version.term}.${version.counter} ${digest}`);
  return live.toSorted();
}
