import { ConnectionError, TimeoutError } from '@polyphase/core';
import { Batch, type BoundStatement, type StatementResult } from './batch.ts';
import { type DriverClient, guard, type PostgresPool } from './driver.ts';
import { breaksConnection, type ErrorPlace, toPolyphaseError } from './postgres-errors.ts';
import { command } from './statement.ts';

const ROLLBACK = command('rollback');
const noop = (): void => undefined;

/** What a piece of work on a connection is about. */
export interface UseOptions extends ErrorPlace {
  readonly signal?: AbortSignal | undefined;
  /** Whether it may read a whole table, and so take twenty times as long as other calls. */
  readonly whole?: boolean | undefined;
}

const WHOLE_TABLE = 20;

/** The part of the options that errors show. */
export function placeOf({ operation, entity, key }: UseOptions): ErrorPlace {
  return {
    ...(operation === undefined ? {} : { operation }),
    ...(entity === undefined ? {} : { entity }),
    ...(key === undefined ? {} : { key }),
  };
}

/** One connection while a piece of work has it. Knows whether it may go back to the pool. */
export class Session {
  readonly #client: DriverClient;
  readonly #timeoutMs: number;
  readonly #signal: AbortSignal | undefined;
  readonly #failures = new Set<unknown>();
  #broken: Error | undefined;
  #open = false;

  constructor(client: DriverClient, timeoutMs: number, signal: AbortSignal | undefined) {
    this.#client = client;
    this.#timeoutMs = timeoutMs;
    this.#signal = signal;
  }

  /** Why the connection is of no use any more: it was lost, gave no answer in time, or was given up in the middle. */
  get broken(): Error | undefined {
    return this.#broken;
  }

  /** Whether an error came from here, and not from the work itself. */
  failedWith(error: unknown): boolean {
    return this.#failures.has(error);
  }

  /** Told by whoever leaves a transaction open; it is rolled back before the connection goes back. */
  set open(open: boolean) {
    this.#open = open;
  }

  get open(): boolean {
    return this.#open;
  }

  /**
   * Sends statements in one round trip.
   *
   * Rejects with the server's error, the signal's reason, or a `TimeoutError`; after the latter two the connection is broken,
   * and what was sent may still be done by the server.
   */
  run(statements: readonly BoundStatement[]): Promise<readonly StatementResult[]> {
    const signal = this.#signal;
    return new Promise((resolve, reject) => {
      const settle = (): void => {
        clearTimeout(timer);
        signal?.removeEventListener('abort', abort);
      };
      const fail = (error: unknown, broken: boolean): void => {
        settle();
        this.#failures.add(error);
        if (broken) this.#broken ??= error instanceof Error ? error : new Error('aborted', { cause: error });
        reject(error);
      };
      const abort = (): void => fail(signal?.reason, true);
      const timer = setTimeout(() => {
        const seconds = this.#timeoutMs / 1_000;
        fail(new TimeoutError({ message: `PostgreSQL gave no answer within ${seconds} s` }), true);
      }, this.#timeoutMs);
      if (signal?.aborted === true) return fail(signal.reason, false);
      if (this.#broken) return fail(this.#broken, true);
      signal?.addEventListener('abort', abort, { once: true });
      const batch = new Batch(
        statements,
        (results) => {
          settle();
          resolve(results);
        },
        (error) => fail(error, breaksConnection(error)),
      );
      this.#client.query(batch);
    });
  }

  /** Ends what is open without waiting for the signal. */
  async rollback(): Promise<void> {
    if (!this.#open || this.#broken) return;
    const plain = new Session(this.#client, this.#timeoutMs, undefined);
    try {
      await plain.run([ROLLBACK]);
      this.#open = false;
    } catch (error) {
      this.#broken = error instanceof Error ? error : new Error('rollback failed', { cause: error });
    }
  }
}

/** Lends connections of a pool that somebody else made and closes. */
export class Connections {
  readonly #pool: PostgresPool;
  readonly #timeoutMs: number;

  constructor(options: { readonly pool: PostgresPool; readonly timeoutMs: number }) {
    this.#pool = options.pool;
    this.#timeoutMs = options.timeoutMs;
    guard(options.pool);
  }

  /** Longest time that one round trip, or the wait for a connection, may take. */
  get timeoutMs(): number {
    return this.#timeoutMs;
  }

  /**
   * Runs work on a connection, and gives the connection back clean or not at all.
   *
   * @throws what the work throws, as it is; what the driver threw, as an error of this SDK; the signal's reason, as it is
   */
  async use<Result>(work: (session: Session) => Promise<Result>, options: UseOptions): Promise<Result> {
    const { signal, whole } = options;
    signal?.throwIfAborted();
    const client = await this.#connect(options);
    guard(client);
    const session = new Session(client, this.#timeoutMs * (whole === true ? WHOLE_TABLE : 1), signal);
    try {
      return await work(session);
    } catch (error) {
      if (!session.failedWith(error) || (signal?.aborted === true && error === signal.reason)) throw error;
      throw toPolyphaseError(error, placeOf(options));
    } finally {
      void this.#giveBack(client, session);
    }
  }

  /** One batch on a connection of its own. */
  async run(statements: readonly BoundStatement[], options: UseOptions): Promise<readonly StatementResult[]> {
    return this.use((session) => session.run(statements), options);
  }

  /** The way to send one statement on a connection of its own. */
  one(options: UseOptions): (statement: BoundStatement) => Promise<StatementResult | undefined> {
    return async (statement) => (await this.run([statement], options))[0];
  }

  // Nobody waits for it: the caller has its answer already. Never rejects.
  async #giveBack(client: DriverClient, session: Session): Promise<void> {
    await session.rollback();
    client.release(session.broken ?? false);
  }

  async #connect(options: UseOptions): Promise<DriverClient> {
    const { signal } = options;
    const asked = this.#pool.connect();
    try {
      return await bounded(asked, this.#timeoutMs, signal);
    } catch (error) {
      // It may still come; then nobody wants it.
      asked.then((client) => client.release(), noop);
      if (signal?.aborted === true && error === signal.reason) throw error;
      throw toPolyphaseError(error, placeOf(options));
    }
  }
}

function bounded<T>(promise: Promise<T>, timeoutMs: number, signal: AbortSignal | undefined): Promise<T> {
  return new Promise((resolve, reject) => {
    const end = (): void => {
      clearTimeout(timer);
      signal?.removeEventListener('abort', abort);
    };
    const abort = (): void => {
      end();
      reject(signal?.reason);
    };
    const timer = setTimeout(() => {
      end();
      reject(
        new ConnectionError({
          message: `No connection to PostgreSQL within ${timeoutMs / 1_000} s; try again`,
        }),
      );
    }, timeoutMs);
    signal?.addEventListener('abort', abort, { once: true });
    const ended =
      <Value>(next: (value: Value) => void) =>
      (value: Value): void => {
        end();
        next(value);
      };
    promise.then(ended(resolve), ended(reject));
  });
}
