import { isTransientError } from '@polyphase/core';
import type { BoundStatement, StatementResult } from './batch.ts';
import { type Connections, placeOf, type UseOptions } from './connections.ts';
import { toPolyphaseError } from './postgres-errors.ts';

/** Most reads of one round trip. More save little, and make the first wait for the last. */
const MAX_TOGETHER = 16;

/** A call that waits for the answer to its read. */
interface Reader {
  readonly bound: BoundStatement;
  readonly options: UseOptions;
  resolve(result: StatementResult | undefined): void;
  reject(error: unknown): void;
}

/** Reads that go over one connection together. Takes readers until it has its connection, or is full. */
interface Trip {
  readonly readers: Set<Reader>;
  readonly givenUp: AbortController;
}

/**
 * Lets short reads of one table share a connection: those that wait for one at the same time go in one round trip, which costs the
 * process a fraction of a trip for each. None waits for another to come along; what is alone goes alone, at once.
 *
 * Every read sees what was committed before it was asked for, as each statement has a snapshot of its own. A read that the server
 * refuses for what it asks takes none with it: each is sent again by itself. What is nobody's fault (a lost connection, a time-out, a
 * lock, a server without memory) is told to each reader, and may be tried again. A signal ends its reader's wait and no other's; the
 * request is given up when the last reader has gone.
 */
export class SharedReads {
  readonly #connections: Connections;
  #open: Trip | undefined;

  constructor(options: { readonly connections: Connections }) {
    this.#connections = options.connections;
  }

  /** Answers as {@link Connections.run} does for one statement, which must not write. */
  run(bound: BoundStatement, options: UseOptions): Promise<StatementResult | undefined> {
    const { signal } = options;
    return new Promise((resolve, reject) => {
      signal?.throwIfAborted();
      const trip = this.#open ?? this.#start(options);
      const leave = (): void => {
        trip.readers.delete(reader);
        reject(signal?.reason);
        if (trip.readers.size > 0) return;
        this.#close(trip);
        trip.givenUp.abort(signal?.reason);
      };
      const arrived =
        <Value>(next: (value: Value) => void) =>
        (value: Value): void => {
          signal?.removeEventListener('abort', leave);
          next(value);
        };
      const reader: Reader = { bound, options, resolve: arrived(resolve), reject: arrived(reject) };
      signal?.addEventListener('abort', leave, { once: true });
      trip.readers.add(reader);
      if (trip.readers.size === MAX_TOGETHER) this.#close(trip);
    });
  }

  #start(options: UseOptions): Trip {
    const trip: Trip = { readers: new Set(), givenUp: new AbortController() };
    this.#open = trip;
    void this.#go(trip, { ...placeOf(options), signal: trip.givenUp.signal });
    return trip;
  }

  #close(trip: Trip): void {
    if (this.#open === trip) this.#open = undefined;
  }

  // Never rejects: each reader is told.
  async #go(trip: Trip, options: UseOptions): Promise<void> {
    let sent: readonly Reader[] = [];
    try {
      const answers = await this.#connections.use(async (session) => {
        this.#close(trip);
        sent = [...trip.readers];
        try {
          return await session.run(sent.map(({ bound }) => bound));
        } catch (error) {
          if (sent.length === 1 || session.broken || isTransientError(toPolyphaseError(error, {})))
            throw error;
          return undefined;
        }
      }, options);
      if (answers) for (const [i, reader] of sent.entries()) reader.resolve(answers[i]);
      else for (const reader of trip.readers) void this.#alone(reader);
    } catch (error) {
      this.#close(trip);
      for (const reader of trip.readers) reader.reject(error);
    }
  }

  async #alone(reader: Reader): Promise<void> {
    try {
      const [result] = await this.#connections.run([reader.bound], reader.options);
      reader.resolve(result);
    } catch (error) {
      reader.reject(error);
    }
  }
}
