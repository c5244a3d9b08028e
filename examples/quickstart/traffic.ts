import { setTimeout as pause } from 'node:timers/promises';
import { isPolyphaseError, type JsonObject, keyText, UnknownOutcomeError } from '@polyphase/core';
import type { RepositoryOf } from '@polyphase/hybrid';
import type { SeedDocument } from './documents.ts';
import type { Feature, Movie } from './entities.ts';
import type { Ledger } from './ledger.ts';

const WRITERS = 2;
const NEW_MOVIES = 200;

/** The names of the entities at work. */
export type Name = 'movies' | 'features';

/** What the service did with one entity since it was asked last. */
export interface Counts {
  reads: number;
  writes: number;
  errors: number;
}

const none = (): Counts => ({ reads: 0, writes: 0, errors: 0 });

/** What the service is made of. */
export interface TrafficOptions {
  readonly movies: RepositoryOf<typeof Movie>;
  readonly features: RepositoryOf<typeof Feature>;
  readonly seeds: Readonly<Record<Name, readonly SeedDocument[]>>;
  readonly ledger: Ledger;
}

/**
 * A service at work: it votes for movies, reviews features, adds movies and withdraws some, and reads what it wrote. It knows
 * nothing of stores and phases. A read that does not show an acknowledged write counts as an error.
 */
export class Traffic {
  readonly #movies: TrafficOptions['movies'];
  readonly #features: TrafficOptions['features'];
  readonly #ledger: Ledger;
  /** The last number that was acknowledged, by record. */
  readonly #acknowledged = new Map<string, number>();
  readonly #counts = { movies: none(), features: none() };
  #written = 0;
  #stopping = false;
  readonly #running: readonly Promise<void>[];

  constructor(options: TrafficOptions) {
    this.#movies = options.movies;
    this.#features = options.features;
    this.#ledger = options.ledger;
    const { movies, features } = options.seeds;
    const share = (all: readonly SeedDocument[], i: number) => all.filter((_, at) => at % WRITERS === i);
    const each = (work: (i: number) => Promise<void>) => Array.from({ length: WRITERS }, (_, i) => work(i));
    this.#running = [
      ...each((i) => this.#vote(share(movies, i))),
      ...each((i) => this.#review(share(features, i))),
      this.#addAndWithdraw(),
      this.#read('movies', movies),
      this.#read('features', features),
    ];
  }

  /** What happened to an entity since the last call. */
  take(entity: Name): Counts {
    const taken = this.#counts[entity];
    this.#counts[entity] = none();
    return taken;
  }

  /** Resolves after that many more writes. */
  async wrote(writes: number): Promise<void> {
    const until = this.#written + writes;
    while (this.#written < until) await pause(20);
  }

  /** Ends the work: what is under way is finished, and every new movie was added. */
  async stop(): Promise<void> {
    this.#stopping = true;
    await Promise.all(this.#running);
  }

  async #vote(movies: readonly SeedDocument[]): Promise<void> {
    for (const { seed, turn } of this.#turns(movies)) {
      const key = { Distributor: seed.partition, id: seed.id };
      await this.#write('movies', (operationId) =>
        this.#movies.patch(key, { 'IMDB Votes': turn }, { operationId }),
      );
      this.#note('movies', seed, { ...seed.value, 'IMDB Votes': turn }, turn);
      await pause(2);
    }
  }

  async #review(features: readonly SeedDocument[]): Promise<void> {
    for (const { seed, turn } of this.#turns(features)) {
      const key = { area: seed.partition ?? '', id: seed.id };
      await this.#write('features', async (operationId) => {
        const stored = await this.#features.get(key);
        if (stored) await this.#features.replace({ ...stored.value, reviews: turn }, { operationId });
      });
      this.#note('features', seed, { ...seed.value, reviews: turn }, turn);
      await pause(2);
    }
  }

  async #addAndWithdraw(): Promise<void> {
    for (let turn = 0; turn < NEW_MOVIES; turn += 1) {
      const id = `new-${turn}`;
      const movie = { id, Distributor: 'Polyphase', Title: `The Migration, part ${turn}` };
      const seed = { partition: movie.Distributor, id };
      await this.#write('movies', (operationId) => this.#movies.create(movie, { operationId }));
      this.#note('movies', seed, movie, 0);
      if (turn % 2 === 0) {
        await this.#write('movies', (operationId) =>
          this.#movies.delete({ Distributor: 'Polyphase', id }, { operationId }),
        );
        this.#note('movies', seed, undefined, 0);
      }
      if (!this.#stopping) await pause(50);
    }
  }

  async #read(entity: Name, seeds: readonly SeedDocument[]): Promise<void> {
    while (!this.#stopping) {
      const seed = seeds[Math.floor(Math.random() * seeds.length)];
      if (!seed) return;
      const acknowledged =
        this.#acknowledged.get(`${entity} ${keyText({ ...seed, partition: [seed.partition] })}`) ?? 0;
      try {
        const seen =
          entity === 'movies'
            ? await this.#movies.get({ Distributor: seed.partition, id: seed.id })
            : await this.#features.get({ area: seed.partition ?? '', id: seed.id });
        const number =
          seen && ('area' in seen.value ? (seen.value.reviews ?? 0) : (seen.value['IMDB Votes'] ?? 0));
        this.#counts[entity].reads += 1;
        if (number === undefined || number < acknowledged) this.#counts[entity].errors += 1;
      } catch {
        this.#counts[entity].errors += 1;
      }
      await pause(2);
    }
  }

  // Every record in turn, again and again, with a number that rises.
  *#turns(seeds: readonly SeedDocument[]): Generator<{ readonly seed: SeedDocument; readonly turn: number }> {
    for (let turn = 1; !this.#stopping; turn += 1) {
      const seed = seeds[(turn * 7) % seeds.length];
      // Votes of the data set itself come to a million at most; a higher number is one of ours.
      if (seed) yield { seed, turn: 10_000_000 + turn };
    }
  }

  // An unknown outcome is settled as the error says: the same write again, under the same operation id.
  async #write(entity: Name, write: (operationId: string) => Promise<unknown>): Promise<void> {
    const operationId = crypto.randomUUID();
    for (;;) {
      try {
        await write(operationId);
        this.#counts[entity].writes += 1;
        this.#written += 1;
        return;
      } catch (error) {
        if (!isPolyphaseError(error) || !error.retryable) throw error;
        if (!UnknownOutcomeError.isInstance(error)) this.#counts[entity].errors += 1;
      }
    }
  }

  #note(
    entity: Name,
    seed: Pick<SeedDocument, 'partition' | 'id'>,
    value: JsonObject | undefined,
    number: number,
  ): void {
    const key = { partition: [seed.partition], id: seed.id };
    this.#acknowledged.set(`${entity} ${keyText(key)}`, number);
    this.#ledger.acknowledge(entity, key, value);
  }
}
