import type { Clock, Entity, JsonObject, LoadedConfig, Phase } from '@polyphase/core';
import type { Hybrid } from '../hybrid.ts';
import type { HybridStores } from '../hybrid-options.ts';
import type { DrillReceipt } from './drill-receipt.ts';
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

/** The repositories of a drill. */
export type Drilled = Hybrid<HybridStores, readonly Entity<object>[]>;

/** The config of a step of the course. Several entities are one group. */
export function courseConfig(names: readonly string[], step: number): LoadedConfig {
  const policy = COURSE[step]?.policy ?? DUAL;
  const entities = Object.fromEntries(names.map((name) => [name, policy]));
  const groups = names.length > 1 ? { groups: { drill: names } } : {};
  return { loaded: { revision: step + 1, entities, ...groups } };
}

/** What one entity went through. */
interface Track {
  readonly walked: { readonly phase: Phase; readonly ms: number }[];
  since: number;
  heldMs: number;
  longestHeldMs: number;
}

/** The way of a drill through the phases: asks for one after the other, and notes how long each lasted and what flips held. */
export class DrillWalk {
  readonly #hybrid: Drilled;
  readonly #traffic: readonly DrillTraffic[];
  readonly #clock: Clock;
  readonly #patienceMs: number;
  readonly #signal: AbortSignal | undefined;
  readonly #tracks: ReadonlyMap<string, Track>;
  #trouble: string | undefined;

  constructor(options: {
    readonly hybrid: Drilled;
    readonly traffic: readonly DrillTraffic[];
    readonly clock: Clock;
    readonly patienceMs: number;
    readonly signal: AbortSignal | undefined;
    readonly onPhase: ((phase: Phase, entity: string) => void) | undefined;
  }) {
    const { hybrid, clock, traffic, onPhase } = options;
    this.#hybrid = hybrid;
    this.#traffic = traffic;
    this.#clock = clock;
    this.#patienceMs = options.patienceMs;
    this.#signal = options.signal;
    const track = () => ({ walked: [], since: clock.monotonic(), heldMs: 0, longestHeldMs: 0 });
    this.#tracks = new Map(traffic.map(({ name }) => [name, track()]));
    hybrid.on('phase', ({ entity, from, to }) => {
      this.#note(entity, from);
      onPhase?.(to, entity);
    });
    hybrid.on('trouble', ({ entity, where, error }) => {
      this.#trouble = `${entity}, ${where}: ${toldError(error)}`;
    });
  }

  /** The phases that an entity has left, each with how long it lasted, and how long one flip held its calls, at most. */
  trackOf(name: string): Pick<DrillReceipt, 'walked' | 'heldMs'> {
    const { walked = [], longestHeldMs = 0 } = this.#tracks.get(name) ?? {};
    return { walked, heldMs: Math.round(longestHeldMs) };
  }

  /** Walks the course. Tells why it was not walked to its end; nothing when it was. */
  async walk(): Promise<string | undefined> {
    const names = this.#traffic.map(({ name }) => name);
    for (const [step, { phase }] of COURSE.entries()) {
      if (step > 0) await this.#hybrid.configure(courseConfig(names, step));
      const isThere = ({ name }: DrillTraffic) => this.#hybrid.status(name).phase === phase;
      const late = await this.#until(`phase ${phase}`, isThere);
      if (late !== undefined) return late;
      const enough = new Map(this.#traffic.map((it) => [it, it.rounds + ROUNDS]));
      const isWritten = (it: DrillTraffic) => it.rounds >= (enough.get(it) ?? 0);
      const slow = await this.#until(`${ROUNDS} writes of every record in phase ${phase}`, isWritten);
      if (slow !== undefined) return slow;
    }
    return undefined;
  }

  #note(entity: string, from: Phase): void {
    const track = this.#tracks.get(entity);
    if (!track) return;
    const now = this.#clock.monotonic();
    const { heldMs } = this.#hybrid.status(entity);
    track.walked.push({ phase: from, ms: Math.round(now - track.since) });
    track.longestHeldMs = Math.max(track.longestHeldMs, heldMs - track.heldMs);
    track.since = now;
    track.heldMs = heldMs;
  }

  async #until(what: string, holds: (traffic: DrillTraffic) => boolean): Promise<string | undefined> {
    const end = this.#clock.monotonic() + this.#patienceMs;
    for (;;) {
      if (this.#traffic.some(({ wrongs }) => wrongs.length > 0)) return `given up on the way to ${what}`;
      const late = this.#traffic.filter((it) => !holds(it));
      if (late.length === 0) return undefined;
      if (this.#clock.monotonic() > end) {
        const trouble = this.#trouble === undefined ? [] : [`the last trouble: ${this.#trouble}`];
        const why = [...late.map(({ name }) => this.#whereIs(name)), ...trouble].join('; ');
        return `${what}: not within ${this.#patienceMs} ms; ${why}`;
      }
      await this.#clock.sleep(LOOK_MS, this.#signal);
    }
  }

  #whereIs(name: string): string {
    const { phase = '-', blockedBy } = this.#hybrid.status(name);
    const gates = blockedBy.map((gate) => `${gate.name}: ${gate.seen} (wanted: ${gate.wanted})`);
    return `"${name}" is in phase ${phase}, ${gates.join(', ') || 'and no gate refuses: more patienceMs may help'}`;
  }
}
