import { performance } from 'node:perf_hooks';
import { setTimeout as pause } from 'node:timers/promises';
import type { Journaled } from '@polyphase/core';
import { Client, type ClientOptions, type NoteKey, Waiting } from '../simulation/client.ts';
import type { Operation } from '../simulation/history.ts';
import { BEFORE } from '../simulation/lineage.ts';
import { Note } from '../simulation/note.ts';
import type { Random } from '../simulation/random.ts';
import type { Fleet } from './fleet.ts';
import type { Member } from './member.ts';
import type { Place } from './place.ts';

/** What {@link Load} works with. */
export interface LoadOptions {
  readonly random: Random;
  readonly fleet: Fleet;
  readonly place: Place;
  readonly tell: (what: string) => void;
  readonly astonish: (what: string) => void;
}

const CLIENTS = 4;
const KEYS = 12;
// Longer than anything stands still or is frozen, so that what was given up has arrived by then.
const LONGEST_MS = 6_000;
const DECIDE_MS = 400;

/** Clients that write and read all the while, a journal of what they were told, and a person who decides conflicts. */
export class Load {
  readonly operations: Operation[] = [];
  /** Conflicts that were decided. */
  readonly decided: Journaled[] = [];
  readonly #options: LoadOptions;
  readonly #keys: readonly [NoteKey, ...NoteKey[]];
  readonly #waiting = new Waiting();
  #clients: Client<Member>[] = [];
  #isOver = false;

  constructor(options: LoadOptions) {
    this.#options = options;
    const key = (i: number): NoteKey => ({ owner: ['ada', 'bob', 'cyd'][i % 3] ?? 'ada', id: `${i}` });
    this.#keys = [key(0), ...Array.from({ length: KEYS - 1 }, (_, i) => key(i + 1))];
  }

  /** Whether every client has ended what it had begun. */
  get isOver(): boolean {
    return this.#clients.every((client) => client.isOver);
  }

  /** Documents that were there before the SDK, then clients. */
  async start(): Promise<void> {
    for (const { owner, id } of this.#keys.slice(0, KEYS / 2)) {
      const text = `old-${owner}-${id}`;
      await this.#options.place.container.items.create({ id, owner, text, rank: 0, marks: { [text]: 1 } });
      const at = Number.NEGATIVE_INFINITY;
      const key = `["${owner}"] ${id}`;
      const ended = { invokedAt: at, endedAt: at, outcome: 'done' } as const;
      this.operations.push({ id: text, session: BEFORE, kind: 'create', key, rank: 0, ...ended });
    }
    for (let i = 0; i < CLIENTS; i += 1) this.#clients.push(this.#client(`c${i}`));
    for (const client of this.#clients) void client.run();
    void this.#decide();
  }

  /** Begins nothing more. */
  stop(): void {
    for (const client of this.#clients) client.stop();
  }

  /** Ends the person's work as well, and what clients wait for still. */
  end(): void {
    this.#isOver = true;
  }

  // As a person would who reads the journal: the body that the authority holds is written again, and the entry is closed.
  async #decide(): Promise<void> {
    const { journal } = this.#options.place.postgres;
    const operator = this.#client('operator');
    while (!this.#isOver) {
      await pause(DECIDE_MS);
      try {
        for (const entry of await journal.list(Note.name)) {
          if (entry.kind !== 'conflict') continue;
          this.#options.tell(`conflict of ${entry.key}: ${JSON.stringify(entry)}`);
          const [owner, id = ''] = entry.key.slice(2).split('"] ');
          if (owner !== undefined) await operator.confirm({ owner, id });
          this.decided.push(entry);
          await journal.resolve(Note.name, [entry.key], { kind: 'conflict' });
        }
      } catch {
        // There is no journal yet, or the server is away: it is looked at again.
      }
    }
  }

  #client(name: string): Client<Member> {
    const { random, fleet, tell, astonish } = this.#options;
    const options: ClientOptions<Member> = {
      name,
      random,
      scheduler: realTime(random, () => this.#isOver),
      keys: this.#keys,
      process: (but) => fleet.serving(but),
      operations: this.operations,
      pauseMs: 40,
      longestMs: LONGEST_MS,
      distrust: (member) => member.kill(),
      tell,
      astonish,
    };
    return new Client(options, this.#waiting);
  }
}

// Time that passes by itself, until all is over: then nobody who waits for something goes on.
function realTime(random: Random, isOver: () => boolean): ClientOptions<Member>['scheduler'] {
  return {
    get now() {
      return performance.now();
    },
    wait: async (fromMs, toMs) => {
      await pause(random.between(fromMs, toMs));
      if (isOver()) await new Promise<never>(() => undefined);
    },
    after: (ms, _what, run) => {
      const timer = setTimeout(run, ms);
      timer.unref();
      return () => clearTimeout(timer);
    },
    note: () => undefined,
  };
}
