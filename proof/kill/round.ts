import { performance } from 'node:perf_hooks';
import { setTimeout as pause } from 'node:timers/promises';
import type { Journaled, JsonObject, Phase } from '@polyphase/core';
import type { Engine } from '@polyphase/test-support';
import { checkHistory } from '../simulation/check-history.ts';
import type { History, Operation, Violation } from '../simulation/history.ts';
import { Note, textOf } from '../simulation/note.ts';
import { Random } from '../simulation/random.ts';
import { allOf } from '../simulation/simulated-stores.ts';
import { holdSame } from '../simulation/world.ts';
import type { Account } from './account.ts';
import { Director, type Mishap } from './director.ts';
import { Fleet } from './fleet.ts';
import { Load } from './load.ts';
import type { Member } from './member.ts';
import { Observer } from './observer.ts';
import { openPlace, type Place } from './place.ts';
import { STEPS, type Step } from './steps.ts';

/** A config that is wished for, the phase where it leads, and the steps on the way. */
export interface Leg {
  readonly policy: JsonObject;
  readonly phase: Phase;
  readonly from: Step;
  readonly to: Step;
}

const FORTH: Leg = {
  policy: { policy: 'postgres-primary', flip: 'auto' },
  phase: '6',
  from: 'reads on PostgreSQL',
  to: 'committed',
};
const BACK: Leg = {
  policy: { policy: 'dual-write', flip: 'auto' },
  phase: '2',
  from: 'sealed back',
  to: 'permit opened',
};

/** There and back, there again, on until Cosmos DB is let go, and all the way back: every phase and every step of both flips. */
export const LEGS: readonly Leg[] = [
  { ...FORTH, from: 'capture' },
  BACK,
  FORTH,
  {
    policy: { policy: 'postgres-primary', reverseSync: false, flip: 'auto' },
    phase: '7',
    from: 'PostgreSQL only',
    to: 'PostgreSQL only',
  },
  { ...FORTH, from: 'rearming', to: 'rearmed' },
  BACK,
];

/** What a round works with. */
export interface RoundOptions {
  readonly seed: number;
  readonly legs: readonly Leg[];
  readonly engine: Engine;
  readonly account: Account;
  /** How often whoever walked was killed at each step, in the rounds before. */
  readonly killedAt: Map<Step, number>;
}

/** What a round came to. */
export interface Rounded {
  readonly violations: readonly Violation[];
  readonly operations: number;
  readonly mishaps: ReadonlyMap<Mishap, number>;
  readonly told: readonly string[];
}

const LEG_MS = 90_000;
const REST_MS = 90_000;
const LOOK_MS = 2;
const AIMS = 2;
// What policies say by default, on a clock that runs a little slow.
const STALE_MS = 1_050;

/** Walks a fleet through the legs while its processes are killed and its links are broken, lets all come to rest, and checks what happened. */
export async function round(options: RoundOptions): Promise<Rounded> {
  const place = await openPlace(`round${options.seed}-${Date.now()}`, options.engine, options.account);
  const run = new Round(options, place);
  try {
    return await run.run();
  } finally {
    await run.close();
    await place.close();
  }
}

class Round {
  readonly #options: RoundOptions;
  readonly #place: Place;
  readonly #observer: Observer;
  readonly #fleet: Fleet;
  readonly #load: Load;
  readonly #director: Director;
  readonly #mishaps = new Map<Mishap, number>();
  readonly #told: string[] = [];
  readonly #astonishing: string[] = [];
  readonly #began = performance.now();
  readonly #random: Random;
  #isOver = false;
  #taken = 1;
  #config: { readonly revision: number; readonly policy: JsonObject } = {
    revision: 1,
    policy: { policy: 'cosmos-only' },
  };

  constructor(options: RoundOptions, place: Place) {
    const random = new Random(options.seed);
    const tell = (what: string): void => this.#tell(what);
    const astonish = (what: string): void => void this.#astonishing.push(what);
    this.#options = options;
    this.#place = place;
    this.#random = random;
    this.#observer = new Observer({ ...place, now: () => performance.now() });
    const { postgresUrl, account: cosmos } = place;
    const config = (hasPostgres: boolean): JsonObject => this.#configFor(hasPostgres);
    this.#fleet = new Fleet({ random, postgresUrl, cosmos, config, tell, astonish });
    this.#load = new Load({ random, fleet: this.#fleet, place, tell, astonish });
    this.#director = new Director({
      ...options,
      random,
      fleet: this.#fleet,
      observer: this.#observer,
      database: cosmos.database,
      mishaps: this.#mishaps,
      tell,
    });
  }

  async run(): Promise<Rounded> {
    await this.#load.start();
    await this.#fleet.start();
    await this.#until(() => this.#fleet.isWhole, LEG_MS);
    let stuck: string | undefined;
    for (const leg of this.#options.legs) {
      this.#wish(leg.policy);
      this.#director.aim(STEPS.slice(STEPS.indexOf(leg.from), STEPS.indexOf(leg.to) + 1), AIMS);
      if (await this.#reached(leg.phase)) continue;
      stuck = `phase ${leg.phase} is not reached from ${this.#observer.phase} within ${LEG_MS} ms`;
      break;
    }
    await this.#director.calm();
    const unrest = await this.#rest();
    stuck ??= unrest;
    const violations = await this.#check(stuck);
    return {
      violations,
      operations: this.#load.operations.length,
      mishaps: this.#mishaps,
      told: this.#told,
    };
  }

  async close(): Promise<void> {
    this.#isOver = true;
    this.#load.end();
    await this.#fleet.stop();
  }

  // A process that starts while others are ahead of it may have an earlier config; one without PostgreSQL has no other.
  #configFor(hasPostgres: boolean): JsonObject {
    const { revision, policy } = this.#config;
    const isLatest = hasPostgres && this.#random.chance(0.7);
    return {
      revision: isLatest ? revision : 1,
      entities: { [Note.name]: isLatest ? policy : { policy: 'cosmos-only' } },
    };
  }

  // One process is told, whichever takes it first; the others go along.
  #wish(policy: JsonObject): void {
    this.#config = { revision: this.#config.revision + 1, policy };
    const { revision } = this.#config;
    const config = { revision, entities: { [Note.name]: policy } };
    this.#tell(`wish ${revision}: ${JSON.stringify(policy)}`);
    void this.#offer(config);
  }

  async #offer(config: JsonObject & { readonly revision: number }): Promise<void> {
    const isWanted = (): boolean =>
      !this.#isOver && this.#taken < config.revision && config.revision === this.#config.revision;
    while (isWanted()) {
      const member = this.#fleet.configurable;
      if (member) void this.#tellConfig(member, config);
      await pause(500);
    }
  }

  async #tellConfig(member: Member, config: JsonObject & { readonly revision: number }): Promise<void> {
    try {
      await member.configure(config);
      this.#taken = Math.max(this.#taken, config.revision);
    } catch (error) {
      this.#tell(`${member.name} did not take the config: ${String(error)}`);
    }
  }

  async #reached(phase: Phase): Promise<boolean> {
    return this.#until(
      () => this.#observer.phase === phase,
      LEG_MS,
      () => this.#director.watch(),
    );
  }

  async #until(holds: () => boolean, limitMs: number, meanwhile?: () => Promise<void>): Promise<boolean> {
    const end = performance.now() + limitMs;
    // What nobody should ever see ends the round at once.
    while (performance.now() < end && this.#astonishing.length === 0) {
      await this.#observer.look();
      await meanwhile?.();
      if (holds()) return true;
      await pause(LOOK_MS);
    }
    return false;
  }

  async #rest(): Promise<string | undefined> {
    const wanted = this.#options.legs.at(-1)?.phase;
    this.#load.stop();
    if (!(await this.#until(() => this.#load.isOver, REST_MS))) return 'an operation does not end';
    if (!(await this.#until(() => this.#observer.phase === wanted, REST_MS)))
      return `phase ${wanted} does not last: it is ${this.#observer.phase}`;
    const end = performance.now() + REST_MS;
    while (performance.now() < end) {
      const { count } = await this.#place.postgres.dirtyKeys.lag(Note.name);
      if (count === 0 && holdSame(await allOf(this.#place.cosmos), await allOf(this.#place.postgres)))
        return undefined;
      await pause(50);
    }
    return 'one store lags behind the other and does not catch up';
  }

  async #check(stuck: string | undefined): Promise<readonly Violation[]> {
    const { cosmos, postgres } = this.#place;
    const { operations, decided } = this.#load;
    const journal = [...decided, ...(await postgres.journal.list(Note.name))];
    const found = [stuck, ...this.#astonishing].filter((it) => it !== undefined);
    const history: History = {
      operations,
      moves: this.#observer.moves,
      stragglers: [],
      realTime: true,
      staleMs: STALE_MS,
      rest: {
        phase: this.#observer.phase,
        cosmos: await allOf(cosmos),
        postgres: await allOf(postgres),
        journal,
        stuck: found.length > 0 ? found.join('; ') : undefined,
      },
    };
    return [...checkHistory(history), ...unexplained(journal, operations)];
  }

  #tell(what: string): void {
    this.#told.push(`${(performance.now() - this.#began).toFixed(0).padStart(6)} ${what}`);
  }
}

// Nothing was set aside as unfit, and what is in conflict was written by somebody.
function unexplained(journal: readonly Journaled[], operations: readonly Operation[]): readonly Violation[] {
  const known = new Set(operations.map(({ id }) => id));
  return journal.flatMap(({ kind, key, reason, bodies }): Violation[] => {
    if (kind === 'dead-letter') return [{ breaks: 'D7', why: `${key} is a dead letter: ${reason}` }];
    const strange = [bodies.theirs, bodies.ours].filter(
      (body) => body !== undefined && !known.has(textOf(JSON.parse(body) as JsonObject)),
    );
    return strange.map((body) => ({
      breaks: 'D4',
      why: `${key} is in conflict with what nobody wrote: ${body}`,
    }));
  });
}
