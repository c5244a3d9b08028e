import { setTimeout as pause } from 'node:timers/promises';
import { type JsonObject, keyText, UnknownOutcomeError } from '@polyphase/core';
import type { RepositoryOf } from '@polyphase/hybrid';
import type { SeedDocument } from './documents.ts';
import type { Feature, Movie } from './entities.ts';
import type { Ledger } from './ledger.ts';

const WRITERS = 4;
const READERS = 2;
const FRESH_MOVIES = 200;

/** What the service did since it was asked last. */
export interface Counts {
  reads: number;
  writes: number;
  errors: number;
}

/**
 * A service at work: it votes for movies, reviews features, adds movies and withdraws some, and reads what it wrote. It knows
 * nothing of stores and phases. A read that does not show an acknowledged write counts as an error.
 */
export class Traffic {
  readonly #movies: RepositoryOf<typeof Movie>;
  readonly #features: RepositoryOf<typeof Feature>;
  readonly #ledger: Ledger;
  readonly #values = new Map<string, JsonObject | undefined>();
  #counts: Counts = { reads: 0, writes: 0, errors: 0 };
  #stopping = false;
  #written = 0;
  readonly #running: Promise<void>[];

  constructor(options: {
    readonly movies: RepositoryOf<typeof Movie>;
    readonly features: RepositoryOf<typeof Feature>;
    readonly seeds: { readonly movies: readonly SeedDocument[]; readonly features: readonly SeedDocument[] };
    readonly ledger: Ledger;
  }) {
    this.#movies = options.movies;
    this.#features = options.features;
    this.#ledger = options.ledger;
    const { movies, features } = options.seeds;
    const share = <T>(all: readonly T[], i: number) => all.filter((_, at) => at % WRITERS === i);
    const writers = Array.from({ length: WRITERS }, (_, i) =>
      this.#write(share(movies, i), share(features, i), i),
    );
    const readers = Array.from({ length: READERS }, () => this.#read(movies));
    this.#running = [...writers, ...readers];
  }

  /** What happened since the last call. */
  take(): Counts {
    const taken = this.#counts;
    this.#counts = { reads: 0, writes: 0, errors: 0 };
    return taken;
  }

  /** Resolves after that many more writes. */
  async wrote(writes: number): Promise<void> {
    const until = this.#written + writes;
    while (this.#written < until) await pause(20);
  }

  /** Ends the work after the calls that are under way, and after every movie of the plan was added. */
  async stop(): Promise<void> {
    this.#stopping = true;
    await Promise.all(this.#running);
  }

  async #write(
    movies: readonly SeedDocument[],
    features: readonly SeedDocument[],
    writer: number,
  ): Promise<void> {
    const fresh = FRESH_MOVIES / WRITERS;
    for (let turn = 0; !this.#stopping || turn < fresh * 2; turn += 1) {
      const movie = movies[(turn * 7) % movies.length];
      const feature = features[(turn * 11) % features.length];
      if (movie) await this.#vote(movie, turn);
      if (feature) await this.#review(feature, turn);
      if (turn < fresh) await this.#add(`new-${writer}-${turn}`);
      else if (turn < fresh * 2 && turn % 2 === 0) await this.#withdraw(`new-${writer}-${turn - fresh}`);
      if (!this.#stopping) await pause(2);
    }
  }

  async #vote({ partition, id, value }: SeedDocument, turn: number): Promise<void> {
    const key = { partition: [partition], id };
    const before = this.#values.get(keyText(key)) ?? value;
    const next = { ...before, 'IMDB Votes': turn };
    await this.#acknowledged((operationId) =>
      this.#movies.patch({ Distributor: partition, id }, { 'IMDB Votes': turn }, { operationId }),
    );
    this.#note('movies', key, next);
  }

  async #review({ partition, id, value }: SeedDocument, turn: number): Promise<void> {
    const area = partition ?? '';
    const next = { ...value, reviews: turn };
    await this.#acknowledged(async (operationId) => {
      const stored = await this.#features.get({ area, id });
      if (!stored) throw new Error(`feature ${id} is gone`);
      await this.#features.replace({ ...stored.value, reviews: turn }, { operationId });
    });
    this.#note('features', { partition: [area], id }, next);
  }

  async #add(id: string): Promise<void> {
    const movie = { id, Distributor: 'Polyphase', Title: `The Migration, part ${id}` };
    await this.#acknowledged((operationId) => this.#movies.create(movie, { operationId }));
    this.#note('movies', { partition: ['Polyphase'], id }, movie);
  }

  async #withdraw(id: string): Promise<void> {
    await this.#acknowledged((operationId) =>
      this.#movies.delete({ Distributor: 'Polyphase', id }, { operationId }),
    );
    this.#note('movies', { partition: ['Polyphase'], id }, undefined);
  }

  async #read(movies: readonly SeedDocument[]): Promise<void> {
    while (!this.#stopping) {
      const movie = movies[Math.floor(Math.random() * movies.length)];
      if (!movie) return;
      const key = keyText({ partition: [movie.partition], id: movie.id });
      const votes = (value: JsonObject | undefined) => Number(value?.['IMDB Votes'] ?? 0);
      const acknowledged = this.#values.get(key);
      try {
        const seen = await this.#movies.get({ Distributor: movie.partition, id: movie.id });
        this.#counts.reads += 1;
        if (!seen || (acknowledged && Number(seen.value['IMDB Votes']) < votes(acknowledged)))
          this.#counts.errors += 1;
      } catch {
        this.#counts.errors += 1;
      }
      await pause(1);
    }
  }

  // An unknown outcome is settled as the error says: the same write again, under the same operation id.
  async #acknowledged(write: (operationId: string) => Promise<unknown>): Promise<void> {
    const operationId = crypto.randomUUID();
    for (;;) {
      try {
        await write(operationId);
        this.#counts.writes += 1;
        this.#written += 1;
        return;
      } catch (error) {
        if (!UnknownOutcomeError.isInstance(error)) throw error;
      }
    }
  }

  #note(
    entity: string,
    key: { readonly partition: readonly (string | null)[]; readonly id: string },
    value: JsonObject | undefined,
  ): void {
    this.#values.set(keyText(key), value);
    this.#ledger.acknowledge(entity, key, value);
  }
}
