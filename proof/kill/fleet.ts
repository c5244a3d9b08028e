import type { JsonObject } from '@polyphase/core';
import { type FaultProxy, startFaultProxy } from '@polyphase/test-support';
import type { Random } from '../simulation/random.ts';
import { Member } from './member.ts';
import type { MemberOrder } from './messages.ts';

/** A place in the fleet, which one process after the other has, with links of its own to the stores. */
interface Seat {
  readonly name: string;
  readonly roles: MemberOrder['roles'];
  readonly cosmos: FaultProxy;
  /** Absent: its processes have no PostgreSQL. */
  readonly postgres: FaultProxy | undefined;
  started: number;
  member: Member | undefined;
}

/** What {@link Fleet} works with. */
export interface FleetOptions {
  readonly random: Random;
  readonly postgresUrl: string;
  readonly cosmos: MemberOrder['cosmos'];
  /** What a process is started with: not always the latest. */
  readonly config: (hasPostgres: boolean) => JsonObject;
  readonly tell: (what: string) => void;
  readonly astonish: (what: string) => void;
}

const ALL = { name: 'all', roles: ['serve', 'relay', 'controller'], hasPostgres: true } as const;
const WORKER = { name: 'worker', roles: ['relay', 'controller'], hasPostgres: true } as const;
const SERVICE = { name: 'service', roles: ['serve'], hasPostgres: true } as const;
const ALONE = { name: 'alone', roles: ['serve'], hasPostgres: false } as const;
// Each request takes a little longer, so that steps are long enough to be seen, and hit.
const LATENCY_MS = 4;

/** Processes in different roles, one of them without PostgreSQL. Whatever ends is started again, as by an orchestrator. */
export class Fleet {
  readonly #options: FleetOptions;
  readonly #seats: Seat[] = [];
  #isOver = false;

  constructor(options: FleetOptions) {
    this.#options = options;
  }

  async start(): Promise<void> {
    const { postgresUrl, cosmos, random } = this.#options;
    for (const { name, roles, hasPostgres } of [ALL, random.chance(0.5) ? WORKER : SERVICE, ALONE]) {
      const seat: Seat = {
        name,
        roles,
        cosmos: await startFaultProxy(cosmos.endpoint),
        postgres: hasPostgres ? await startFaultProxy(postgresUrl) : undefined,
        started: 0,
        member: undefined,
      };
      this.#seats.push(seat);
      this.#seat(seat);
    }
    this.heal();
  }

  /** Whether every process takes calls. */
  get isWhole(): boolean {
    return this.#seats.every(({ member }) => member?.perform !== undefined);
  }

  /** A process that takes calls; another than that, where there is one. */
  serving(but?: Member): Member | undefined {
    const open = this.#members().filter((member) => member.perform !== undefined);
    const others = open.filter((member) => member !== but);
    return this.#pick(others.length > 0 ? others : open);
  }

  /** A process that takes a config that needs both stores. */
  get configurable(): Member | undefined {
    const able = this.#seats.filter(({ postgres, member }) => postgres && member?.perform);
    return this.#pick(able)?.member;
  }

  /** The process that has such a name, or any. */
  named(holder: string | undefined): Member | undefined {
    return this.#members().find(({ name }) => holder?.startsWith(`${name}-`)) ?? this.#pick(this.#members());
  }

  /** Cuts what is open between one of the processes and the stores. */
  cut(): void {
    for (const link of this.#links()) link.cut();
  }

  /** Lets nothing through between one of the processes and one of the stores, until {@link heal}. */
  freeze(): void {
    this.#pick(this.#links())?.freeze();
  }

  /** Mends every link. */
  heal(): void {
    for (const { cosmos, postgres } of this.#seats)
      for (const link of [cosmos, postgres]) {
        link?.heal();
        link?.set({ latencyMs: LATENCY_MS });
      }
  }

  /** Ends everything. */
  async stop(): Promise<void> {
    this.#isOver = true;
    for (const member of this.#members()) member.kill();
    for (const { cosmos, postgres } of this.#seats) {
      await cosmos.close();
      await postgres?.close();
    }
  }

  #seat(seat: Seat): void {
    const { postgresUrl, cosmos, config, tell, astonish, random } = this.#options;
    seat.started += 1;
    const member = new Member(
      {
        name: `${seat.name}${seat.started}`,
        roles: seat.roles,
        postgresUrl: seat.postgres?.through(postgresUrl),
        cosmos: { ...cosmos, endpoint: seat.cosmos.through(cosmos.endpoint) },
        config: config(seat.postgres !== undefined),
      },
      { tell, astonish },
    );
    seat.member = member;
    const again = (): void => {
      if (!this.#isOver) setTimeout(() => this.#isOver || this.#seat(seat), random.between(10, 500));
    };
    member.ended.addEventListener('abort', again, { once: true });
  }

  #members(): readonly Member[] {
    return this.#seats.flatMap(({ member }) => (member && !member.hasEnded ? [member] : []));
  }

  #links(): readonly FaultProxy[] {
    const seat = this.#pick(this.#seats);
    return [seat?.cosmos, seat?.postgres].filter((link) => link !== undefined);
  }

  #pick<Item>(items: readonly Item[]): Item | undefined {
    return items[this.#options.random.below(items.length)];
  }
}
