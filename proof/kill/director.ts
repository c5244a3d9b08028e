import { performance } from 'node:perf_hooks';
import { setTimeout as pause } from 'node:timers/promises';
import type { Engine } from '@polyphase/test-support';
import type { Random } from '../simulation/random.ts';
import type { Account } from './account.ts';
import type { Fleet } from './fleet.ts';
import type { Member } from './member.ts';
import type { Observer } from './observer.ts';
import type { Step } from './steps.ts';

/** What goes wrong in a round. */
export type Mishap = 'killed' | 'stopped' | 'cut' | 'frozen' | 'throttled' | 'split' | 'PostgreSQL restarted';

/** What {@link Director} works with. */
export interface DirectorOptions {
  readonly random: Random;
  readonly fleet: Fleet;
  readonly observer: Observer;
  readonly engine: Engine;
  readonly account: Account;
  readonly database: string;
  /** How often whoever walked was killed at each step, in this round and those before. */
  readonly killedAt: Map<Step, number>;
  readonly mishaps: Map<Mishap, number>;
  readonly tell: (what: string) => void;
}

// Longer than every lease: others have taken over when a process goes on.
const STANDSTILL_MS = 3_000;
const FROZEN_MS = 1_500;
const THROTTLED_MS = 1_200;

/** Lets things go wrong: at steps that it is told, and by chance. */
export class Director {
  readonly #options: DirectorOptions;
  #aims: readonly Step[] = [];
  #chances = 0;
  #nextAt = 0;
  #isCalm = false;
  #under: Promise<unknown>[] = [];
  readonly #stopped = new Set<Member>();

  constructor(options: DirectorOptions) {
    this.#options = options;
  }

  /** Will strike at so many of the steps, those that were hit the least so far, and as often by chance. */
  aim(steps: readonly Step[], most: number): void {
    // A number and no rate: on a machine that is busy with other things, nothing else would ever get on.
    this.#chances = most;
    const { killedAt, random } = this.#options;
    const hits = new Map(steps.map((step) => [step, (killedAt.get(step) ?? 0) + random.next() / 2]));
    this.#aims = steps.toSorted((a, b) => (hits.get(a) ?? 0) - (hits.get(b) ?? 0)).slice(0, most);
    this.#options.tell(`aims at ${this.#aims.join(', ')}`);
  }

  /** Strikes, if this is the moment. */
  async watch(): Promise<void> {
    const { observer, random } = this.#options;
    const { step } = observer;
    if (step !== undefined && this.#aims.includes(step)) {
      this.#aims = this.#aims.filter((aim) => aim !== step);
      return this.#strike(step);
    }
    const now = performance.now();
    if (this.#chances === 0 || now < this.#nextAt) return;
    this.#nextAt = now + random.between(500, 2_500);
    this.#chances -= 1;
    this.#byChance();
  }

  /** Ends every fault, and waits for those that end by themselves. */
  async calm(): Promise<void> {
    this.#isCalm = true;
    await Promise.all(this.#under);
    this.#options.fleet.heal();
    this.#options.account.throttle(false);
    for (const member of this.#stopped) member.continue();
  }

  async #strike(step: Step): Promise<void> {
    const { fleet, observer, random, tell, killedAt } = this.#options;
    const member = fleet.named(observer.holder(random.chance(0.85) ? 'controller' : 'relay'));
    if (!member) return;
    if (random.chance(0.2)) return this.#stop(member);
    const isWalking = observer.holder('controller')?.startsWith(`${member.name}-`) === true;
    member.kill();
    this.#count('killed');
    // Nobody else walks before the lease of the one that was killed has ended: what is seen now is where it was.
    await observer.look();
    tell(`${member.name} was killed at: ${step}, then ${observer.step ?? 'unknown'}`);
    const at = observer.step ?? step;
    if (isWalking) killedAt.set(at, (killedAt.get(at) ?? 0) + 1);
  }

  #stop(member: Member): void {
    this.#count('stopped');
    member.stop();
    this.#stopped.add(member);
    this.#for(STANDSTILL_MS, () => {
      this.#stopped.delete(member);
      member.continue();
    });
  }

  #byChance(): void {
    const { random, fleet, account, engine, database } = this.#options;
    const chances: readonly [Mishap, () => void][] = [
      ['killed', () => fleet.named(undefined)?.kill()],
      ['killed', () => fleet.named(undefined)?.kill()],
      ['cut', () => fleet.cut()],
      ['cut', () => fleet.cut()],
      ['frozen', () => this.#freeze()],
      ['throttled', () => this.#throttle()],
      ['split', () => account.split(database)],
      ['PostgreSQL restarted', () => void this.#under.push(engine.process?.restart() ?? Promise.resolve())],
    ];
    const [mishap, happen] = chances[random.below(chances.length + 1)] ?? [];
    if (!happen || !mishap) {
      const member = fleet.named(undefined);
      if (member && !this.#stopped.has(member)) this.#stop(member);
      return;
    }
    // These take long, or change the container for good.
    const isRare = mishap === 'split' || mishap === 'PostgreSQL restarted';
    if (isRare && random.chance(0.6)) return;
    this.#options.tell(mishap);
    this.#count(mishap);
    happen();
  }

  #freeze(): void {
    this.#options.fleet.freeze();
    this.#for(FROZEN_MS, () => this.#options.fleet.heal());
  }

  #throttle(): void {
    this.#options.account.throttle(true);
    this.#for(THROTTLED_MS, () => this.#options.account.throttle(false));
  }

  #for(ms: number, end: () => void): void {
    this.#under.push(pause(ms).then(() => this.#isCalm || end()));
  }

  #count(mishap: Mishap): void {
    const { mishaps } = this.#options;
    mishaps.set(mishap, (mishaps.get(mishap) ?? 0) + 1);
  }
}
