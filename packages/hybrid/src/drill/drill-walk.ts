import type { Clock, Entity, JsonObject, LoadedConfig, Phase } from '@polyphase/core';
import type { Hybrid } from '../hybrid.ts';
import type { HybridStores } from '../hybrid-options.ts';
import type { DrillTraffic } from './drill-traffic.ts';
import { toldError } from './told-error.ts';

const LOOK_MS = 20;
/** Writes of every record in each phase that is walked to, so that what copies to the other store has something to do. */
const ROUNDS = 2;

const DUAL: JsonObject = { policy: 'dual-write', flip: 'auto' };
// Every read is compared, or a sample that is read seldom would take long to agree often enough.
const POSTGRES: JsonObject = { policy: 'postgres-primary', flip: 'auto', shadow: { sample: 1 } };
const ALONE: JsonObject = { ...POSTGRES, reverseSync: false };

/** The course: to PostgreSQL and back; and there again, on to where Cosmos DB is let go, and back from that. */
const COURSE: readonly { readonly policy: JsonObject; readonly phase: Phase }[] = [
  { policy: DUAL, phase: '2' },
  { policy: POSTGRES, phase: '6' },
  { policy: DUAL, phase: '2' },
  { policy: POSTGRES, phase: '6' },
  { policy: ALONE, phase: '7' },
  { policy: POSTGRES, phase: '6' },
  { policy: DUAL, phase: '2' },
];

type Drilled = Hybrid<HybridStores, readonly [Entity<object>]>;

/** The config of a step of the course. */
export function courseConfig(entity: Entity, step: number): LoadedConfig {
  return {
    loaded: { revision: step + 1, entities: { [entity.name]: COURSE[step]?.policy ?? DUAL } },
  };
}

/** The way of a drill through the phases: asks for one after the other, and notes how long each lasted and what flips held. */
export class DrillWalk {
  readonly #hybrid: Drilled;
  readonly #traffic: DrillTraffic;
  readonly #clock: Clock;
  readonly #entity: Entity<object>;
  readonly #patienceMs: number;
  readonly #signal: AbortSignal | undefined;
  readonly #walked: { readonly phase: Phase; readonly ms: number }[] = [];
  #since: number;
  #heldMs = 0;
  #longestHeldMs = 0;
  #trouble: string | undefined;

  constructor(options: {
    readonly hybrid: Drilled;
    readonly traffic: DrillTraffic;
    readonly clock: Clock;
    readonly entity: Entity<object>;
    readonly patienceMs: number;
    readonly signal: AbortSignal | undefined;
    readonly onPhase: ((phase: Phase) => void) | undefined;
  }) {
    const { hybrid, clock, onPhase } = options;
    this.#hybrid = hybrid;
    this.#traffic = options.traffic;
    this.#clock = clock;
    this.#entity = options.entity;
    this.#patienceMs = options.patienceMs;
    this.#signal = options.signal;
    this.#since = clock.monotonic();
    hybrid.on('phase', ({ from, to }) => {
      this.#note(from);
      onPhase?.(to);
    });
    hybrid.on('trouble', ({ where, error }) => {
      this.#trouble = `${where}: ${toldError(error)}`;
    });
  }

  /** The phases that were left, in their order, each with how long it lasted. */
  get walked(): readonly { readonly phase: Phase; readonly ms: number }[] {
    return this.#walked;
  }

  /** How long one flip held calls, at most, in milliseconds. */
  get heldMs(): number {
    return Math.round(this.#longestHeldMs);
  }

  /** Walks the course. Tells why it was not walked to its end; nothing when it was. */
  async walk(): Promise<string | undefined> {
    for (const [step, { phase }] of COURSE.entries()) {
      if (step > 0) await this.#hybrid.configure(courseConfig(this.#entity, step));
      const isThere = () => this.#hybrid.status(this.#entity.name).phase === phase;
      const late = await this.#until(`phase ${phase}`, isThere);
      if (late !== undefined) return late;
      const enough = this.#traffic.rounds + ROUNDS;
      const isWritten = () => this.#traffic.rounds >= enough;
      const slow = await this.#until(`${ROUNDS} writes of every record in phase ${phase}`, isWritten);
      if (slow !== undefined) return slow;
    }
    return undefined;
  }

  #note(from: Phase): void {
    const now = this.#clock.monotonic();
    const { heldMs } = this.#hybrid.status(this.#entity.name);
    this.#walked.push({ phase: from, ms: Math.round(now - this.#since) });
    this.#longestHeldMs = Math.max(this.#longestHeldMs, heldMs - this.#heldMs);
    this.#since = now;
    this.#heldMs = heldMs;
  }

  async #until(what: string, holds: () => boolean): Promise<string | undefined> {
    const end = this.#clock.monotonic() + this.#patienceMs;
    while (!holds()) {
      const { phase = '-', blockedBy } = this.#hybrid.status(this.#entity.name);
      if (this.#traffic.wrongs.length > 0) return `given up in phase ${phase}, on the way to ${what}`;
      if (this.#clock.monotonic() > end) {
        const gates = blockedBy.map((gate) => `${gate.name}: ${gate.seen} (wanted: ${gate.wanted})`);
        const trouble = this.#trouble === undefined ? [] : [`the last trouble: ${this.#trouble}`];
        const why = [...gates, ...trouble].join('; ') || 'no gate refuses; try more patienceMs';
        return `${what}: not within ${this.#patienceMs} ms; in phase ${phase}; ${why}`;
      }
      await this.#clock.sleep(LOOK_MS, this.#signal);
    }
    return undefined;
  }
}
