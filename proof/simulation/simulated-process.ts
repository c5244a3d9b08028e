import { isPolyphaseError, type PolyphaseConfig } from '@polyphase/core';
import {
  createHybrid,
  type Hybrid,
  type HybridStores,
  type ProtocolOptions,
  type Role,
} from '@polyphase/hybrid';
import { perform, type Service } from './client.ts';
import type { Caller, Network } from './network.ts';
import { Note } from './note.ts';
import { portsOf } from './ports.ts';
import { simulatedClock } from './process-clock.ts';
import type { Scheduler } from './scheduler.ts';
import type { SimulatedStores } from './simulated-stores.ts';

/** A hybrid of the one entity. */
export type Opened = Hybrid<HybridStores, readonly [typeof Note]>;

/** Everything as in production, only shorter. */
const PROTOCOL = {
  lease: 600,
  armedLease: 200,
  sealTimeout: '2s',
  hold: '1500ms',
  poll: 50,
  memberLease: '1s',
  soak: 0,
  reconcileAge: '1m',
  shadowReads: 2,
  shadowWindow: 400,
} as const satisfies ProtocolOptions;

/** What {@link SimulatedProcess} works with. */
export interface ProcessOptions {
  readonly name: string;
  readonly scheduler: Scheduler;
  readonly network: Network;
  readonly stores: SimulatedStores;
  /** How fast its monotonic clock runs. */
  readonly rate: number;
  /** How far its date is off, in milliseconds. */
  readonly offMs: number;
  readonly config: PolyphaseConfig;
  /** What it does beside its calls; undefined: it was not given PostgreSQL, and works by the permit alone. */
  readonly roles: readonly Role[] | undefined;
  /** Whether it was given the cache. */
  readonly cached: boolean;
  readonly tellsAbort: () => boolean;
  /** Hears what the process says of itself. */
  readonly tell: (what: string) => void;
}

/**
 * One process of a fleet: the production code over simulated stores. It may end at any moment, as by SIGKILL, and stand still, as by
 * SIGSTOP.
 *
 * States: opening; open; ended, for good.
 */
export class SimulatedProcess implements Caller, Service {
  readonly name: string;
  readonly #options: ProcessOptions;
  readonly #end = new AbortController();
  #stoppedUntil = 0;
  #hybrid: Opened | undefined;

  constructor(options: ProcessOptions) {
    this.name = options.name;
    this.#options = options;
  }

  get hasEnded(): boolean {
    return this.#end.signal.aborted;
  }

  get stoppedUntil(): number {
    return this.#stoppedUntil;
  }

  /** Aborts when the process ends. */
  get ended(): AbortSignal {
    return this.#end.signal;
  }

  /** Whether it was given PostgreSQL. */
  get hasPostgres(): boolean {
    return this.#options.roles !== undefined;
  }

  /** Its repositories, once it is open. */
  get hybrid(): Opened | undefined {
    return this.#hybrid;
  }

  /** Makes one attempt at an operation, once it is open. */
  get perform(): Service['perform'] {
    const hybrid = this.#hybrid;
    return hybrid && ((draft) => perform(draft, hybrid));
  }

  /** Opens it; where it cannot, it ends, and whoever watches over it starts another. */
  async open(): Promise<void> {
    const { scheduler, stores, config, rate, offMs, name, tell } = this.#options;
    const { network, tellsAbort, roles, cached } = this.#options;
    const options = { network, caller: this, tellsAbort, ended: this.ended };
    try {
      this.#hybrid = await createHybrid<HybridStores, readonly [typeof Note]>({
        stores: {
          cosmos: portsOf(stores.cosmos(), 'cosmos', options),
          ...(roles && { postgres: portsOf(stores.postgres, 'postgres', options) }),
          ...(cached && { cache: portsOf(stores.cache, 'cache', options) }),
        },
        roles: roles ?? ['serve'],
        entities: [Note],
        config: { loaded: config },
        protocol: PROTOCOL,
        clock: simulatedClock(scheduler, this, { rate, offMs: () => offMs }),
        processName: name,
      });
      this.#listen(this.#hybrid);
    } catch (error) {
      if (!isPolyphaseError(error)) throw error;
      tell(`${name} could not open: ${error.message}`);
      this.crash();
    }
  }

  crash(): void {
    if (this.hasEnded) return;
    this.#options.tell(`${this.name} ended`);
    this.#end.abort(new Error(`${this.name} has ended`));
  }

  stop(ms: number): void {
    this.#options.tell(`${this.name} stands still for ${Math.round(ms)} ms`);
    this.#stoppedUntil = Math.max(this.#stoppedUntil, this.#options.scheduler.now + ms);
  }

  #listen(hybrid: Opened): void {
    const { name, tell } = this.#options;
    hybrid.on('phase', ({ from, to, term }) => tell(`${name} phase ${from} -> ${to}, term ${term}`));
    hybrid.on('blocked', ({ to, answers }) =>
      tell(`${name} blocked before ${to}: ${JSON.stringify(answers)}`),
    );
    hybrid.on('trouble', ({ where, error }) => tell(`${name} trouble in ${where}: ${String(error)}`));
  }
}
