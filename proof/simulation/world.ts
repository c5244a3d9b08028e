import type { Journaled, PolyphaseConfig, StoredRecord, StorePolicy } from '@polyphase/core';
import type { Role } from '@polyphase/hybrid';
import { Client, type NoteKey, Waiting } from './client.ts';
import type { FaultSource } from './faults.ts';
import type { History, Operation } from './history.ts';
import { BEFORE } from './lineage.ts';
import { Network, type Outage } from './network.ts';
import { Note } from './note.ts';
import type { Random } from './random.ts';
import { Scheduler } from './scheduler.ts';
import { SimulatedProcess } from './simulated-process.ts';
import { LONGEST_IN_FLIGHT_MS, SimulatedStores } from './simulated-stores.ts';

/** What a world is made of. */
export interface WorldOptions {
  readonly random: Random;
  readonly faults: FaultSource;
  /** Longest pause of a request, an answer or a process. Some are longer than every lease, and some are not. */
  readonly pauseMs: number;
  readonly latencyMs: number;
  /** The processes: what each does beside its calls; undefined for one that was not given PostgreSQL. */
  readonly fleet: readonly (readonly Role[] | undefined)[];
  readonly clients: number;
  readonly keys: number;
  /** Pause of a client between two operations, about. */
  readonly clientPauseMs: number;
  readonly ranges: number;
  /** Whether the account promises each session its own writes only. */
  readonly session: boolean;
  /** Whether reads by key go through a cache. */
  readonly cached: boolean;
}

const MOST_TOLD = 4000;

/** A small world: one process after the other, or several beside each other, clients that call them, and two stores. */
export class World {
  readonly scheduler: Scheduler;
  readonly network: Network;
  readonly stores: SimulatedStores;
  readonly operations: Operation[] = [];
  /** What happened, in words: the last of it. */
  readonly told: string[] = [];
  /** What no caller should ever see. */
  readonly astonishing: string[] = [];
  outage: Outage = () => undefined;
  readonly #options: WorldOptions;
  readonly #clients: Client<SimulatedProcess>[] = [];
  readonly #decided: Journaled[] = [];
  #operator: Client<SimulatedProcess> | undefined;
  readonly #slots: SimulatedProcess[] = [];
  #started = 0;
  #config: { readonly revision: number; readonly policy: StorePolicy } = {
    revision: 1,
    policy: { policy: 'cosmos-only' },
  };

  constructor(options: WorldOptions) {
    const { random, faults, pauseMs, latencyMs, ranges, session } = options;
    this.#options = options;
    this.scheduler = new Scheduler(random);
    this.stores = new SimulatedStores({ scheduler: this.scheduler, random, ranges, session });
    const outage: Outage = (store) => this.outage(store);
    this.network = new Network({ scheduler: this.scheduler, random, faults, outage, pauseMs, latencyMs });
  }

  /** A process that is there, as chance picks, if any is; another one than that, where there is one. */
  process(but?: SimulatedProcess): SimulatedProcess | undefined {
    const open = this.#slots.filter((it) => it !== but && !it.hasEnded && it.hybrid !== undefined);
    return open[this.#options.random.below(open.length)];
  }

  /** Documents that were there before the SDK, then a process, then clients. */
  async begin(): Promise<void> {
    const keys = this.#keys();
    for (const { owner, id } of keys.slice(0, Math.ceil(keys.length / 2))) {
      const text = `old-${owner}-${id}`;
      await this.stores.foreign.put(Note, { owner, id, text, rank: 0, marks: { [text]: 1 }, unknown: [1] });
      const at = Number.NEGATIVE_INFINITY;
      const key = `["${owner}"] ${id}`;
      this.operations.push({
        id: text,
        session: BEFORE,
        kind: 'create',
        key,
        invokedAt: at,
        endedAt: at,
        outcome: 'done',
        rank: 0,
      });
    }
    for (let slot = 0; slot < this.#options.fleet.length; slot += 1) this.#start(slot);
    const waiting = new Waiting();
    for (let i = 0; i < this.#options.clients; i += 1) {
      const client = new Client(this.#clientOptions(`c${i}`, keys), waiting);
      this.#clients.push(client);
      void client.run();
    }
    this.#operator = new Client(this.#clientOptions('operator', keys), waiting);
    void this.#decide(this.#operator);
  }

  /** Config changes: in every later process, and in those that are there, one after the other. */
  wish(policy: StorePolicy): void {
    this.#config = { revision: this.#config.revision + 1, policy };
    this.tell(`wish ${this.#config.revision}: ${JSON.stringify(policy)}`);
    for (const process of this.#slots)
      this.scheduler.after(
        this.#options.random.between(0, 300),
        'config',
        () => this.#configure(process),
        process,
      );
  }

  /** Another process takes the place of one that stands still and comes back later. */
  replace(standsStillMs: number): void {
    const slot = this.#options.random.below(this.#slots.length);
    const old = this.#slots[slot];
    if (!old) return;
    old.stop(standsStillMs);
    this.#start(slot);
    this.scheduler.after(standsStillMs * 2, 'old process ends', () => old.crash());
  }

  /** Clients end what they have begun. Tells whether they did in time. */
  async endClients(limitMs: number): Promise<boolean> {
    for (const client of this.#clients) client.stop();
    return this.scheduler.run(() => this.#clients.every((client) => client.isOver), limitMs);
  }

  /** Notes what happens, for whoever reads why a run failed. */
  tell(what: string): void {
    this.told.push(`${this.scheduler.now.toFixed(1).padStart(9)} ${what}`);
    if (this.told.length > MOST_TOLD) this.told.shift();
  }

  /** Everything that is to be checked. */
  async history(rest: { readonly stuck: string | undefined; readonly staleMs: number }): Promise<History> {
    const { cosmos, postgres, journal } = await this.stores.contents();
    const { moves, stragglers } = this.stores;
    const phase = this.stores.last?.phase ?? '0';
    const found = [rest.stuck, ...this.astonishing].filter((it) => it !== undefined);
    const stuck = found.length > 0 ? found.join('; ') : undefined;
    const { staleMs } = rest;
    const realTime = !this.#options.session;
    const clients = [...this.#clients, ...(this.#operator ? [this.#operator] : [])];
    const operations = [...this.operations, ...clients.flatMap((client) => client.underWay)];
    const all = [...this.#decided, ...journal];
    return {
      operations,
      moves,
      stragglers,
      realTime,
      staleMs,
      isCached: this.#options.cached,
      rest: { phase, cosmos, postgres, journal: all, stuck },
    };
  }

  #start(slot: number): void {
    const { random, fleet } = this.#options;
    this.#started += 1;
    const process = new SimulatedProcess({
      name: `p${slot}-${this.#started}`,
      scheduler: this.scheduler,
      network: this.network,
      stores: this.stores,
      roles: fleet[slot],
      // Two clocks differ by less than the tenth that waits for leases allow.
      rate: random.between(0.96, 1.04),
      offMs: random.chance(0.2) ? random.between(-3_600_000, 3_600_000) : 0,
      config: this.#loaded(fleet[slot] !== undefined),
      cached: this.#options.cached,
      tellsAbort: () => random.chance(0.5),
      tell: (what) => this.tell(what),
    });
    this.#slots[slot] = process;
    process.ended.addEventListener('abort', () => this.#ended(process, slot), { once: true });
    const { revision } = this.#config;
    process.open().then(
      () => (revision === this.#config.revision ? undefined : this.#configure(process)),
      (error: unknown) => this.astonishing.push(`${process.name}: ${String(error)}`),
    );
  }

  #configure(process: SimulatedProcess): void {
    const { revision } = this.#config;
    process.hybrid
      ?.configure({ loaded: this.#loaded(process.hasPostgres) })
      .catch((error: unknown) => this.tell(`config ${revision} was not taken: ${String(error)}`));
  }

  // As a person would who reads the journal: the body that the authority holds is written again, and the entry is closed.
  async #decide(operator: Client<SimulatedProcess>): Promise<void> {
    for (;;) {
      await this.scheduler.wait(300, 600, 'operator');
      for (const entry of await this.stores.conflicts()) {
        this.tell(`conflict of ${entry.key}: ${JSON.stringify(entry.bodies)}`);
        const [owner, id = ''] = entry.key.slice(2).split('"] ');
        if (owner !== undefined) await operator.confirm({ owner, id });
        this.#decided.push(entry);
        await this.stores.close(entry);
      }
    }
  }

  // As an orchestrator would: whatever ends is started again.
  #ended(process: SimulatedProcess, slot: number): void {
    this.scheduler.after(this.#options.random.between(10, 300), 'start', () => {
      if (this.#slots[slot] === process) this.#start(slot);
    });
  }

  // A process that was fenced off refuses every call, and so fails the checks of its health.
  #distrust(process: SimulatedProcess): void {
    this.scheduler.after(this.#options.random.between(10, 200), 'process is replaced', () => process.crash());
  }

  // A process that was not given PostgreSQL has a config of its own.
  #loaded(hasPostgres: boolean): PolyphaseConfig {
    const policy: StorePolicy = hasPostgres ? { ...this.#config.policy } : { policy: 'cosmos-only' };
    return {
      revision: this.#config.revision,
      entities: {
        [Note.name]: this.#options.cached ? { policy: 'cached', ttl: '5m', over: policy } : policy,
      },
    };
  }

  #keys(): readonly [NoteKey, ...NoteKey[]] {
    const key = (i: number): NoteKey => ({ owner: ['ada', 'bob', 'cyd'][i % 3] ?? 'ada', id: `${i}` });
    return [key(0), ...Array.from({ length: this.#options.keys - 1 }, (_, i) => key(i + 1))];
  }

  #clientOptions(name: string, keys: readonly [NoteKey, ...NoteKey[]]) {
    return {
      name,
      keys,
      scheduler: this.scheduler,
      random: this.#options.random,
      operations: this.operations,
      pauseMs: this.#options.clientPauseMs,
      longestMs: this.#options.pauseMs + this.#options.latencyMs * 30 + LONGEST_IN_FLIGHT_MS,
      distrust: (process: SimulatedProcess) => this.#distrust(process),
      process: (but?: SimulatedProcess) => this.process(but),
      tell: (what: string) => this.tell(what),
      astonish: (what: string) => void this.astonishing.push(what),
    };
  }
}

/** Whether two stores hold the same live records. */
export function holdSame(
  a: ReadonlyMap<string, StoredRecord>,
  b: ReadonlyMap<string, StoredRecord>,
): boolean {
  const text = (of: ReadonlyMap<string, StoredRecord>): string =>
    [...of]
      .filter(([, record]) => record.value !== undefined)
      .map(([key, { version, digest }]) => `${key} ${version.term}.${version.counter} ${digest}`)
      .toSorted()
      .join('\n');
  return text(a) === text(b);
}
