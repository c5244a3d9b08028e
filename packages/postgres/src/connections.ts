import { ConnectionError, TimeoutError, UnknownOutcomeError } from '@polyphase/core';
import type { BoundStatement, StatementResult } from './batch.ts';
import { guard, guardPool, type PooledClient, type PostgresPool } from './driver.ts';
import { type ErrorPlace, exhausted, serverError, toPolyphaseError } from './postgres-errors.ts';
import { Session } from './session.ts';
import { cancelBackend } from './sql/cancel-backend.ts';
import { findPooler, NAMED_PROBE, type Pooler } from './sql/find-pooler.ts';

const noop = (): void => undefined;

/** What a piece of work on a connection is about. */
export interface UseOptions extends ErrorPlace {
  readonly signal?: AbortSignal | undefined;
  /** Whether it may read a whole table, and so take twenty times as long as other calls. */
  readonly whole?: boolean | undefined;
  /** Operation id to report when the connection is lost after something was sent that must not be taken for "not written". */
  readonly unknownAs?: string | undefined;
}

const WHOLE_TABLE = 20;
const CANCEL = 'cancel';

/** The part of the options that errors show. */
export function placeOf({ operation, entity, key }: UseOptions): ErrorPlace {
  return {
    ...(operation === undefined ? {} : { operation }),
    ...(entity === undefined ? {} : { entity }),
    ...(key === undefined ? {} : { key }),
  };
}

/** Lends connections of a pool that somebody else made and closes. */
export class Connections {
  readonly #pool: PostgresPool;
  readonly #timeoutMs: number;
  #pooler: Pooler | undefined;

  constructor(options: { readonly pool: PostgresPool; readonly timeoutMs: number }) {
    this.#pool = options.pool;
    this.#timeoutMs = options.timeoutMs;
    guardPool(options.pool);
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
    const client = await this.lend(options);
    const timeoutMs = this.#timeoutMs * (whole === true ? WHOLE_TABLE : 1);
    const cancels = options.operation !== CANCEL;
    // Not at the end: what became of the work may have to be asked over another connection, and the pool may have one alone.
    const broke = (session: Session): void => void this.#discard(client, session, cancels);
    const session = new Session({ client, timeoutMs, signal, broke });
    let isReady = false;
    try {
      session.unnamed = (await this.#learn(session, client.processID)) === 'forgets names';
      isReady = true;
      return await work(session);
    } catch (error) {
      if (options.unknownAs !== undefined && session.broken && isReady)
        throw unknownOutcome(options.unknownAs, error, options);
      if (!session.failedWith(error) || (signal?.aborted === true && error === signal.reason)) throw error;
      throw toPolyphaseError(error, placeOf(options));
    } finally {
      void this.#giveBack(client, session);
    }
  }

  /**
   * A connection of the pool, for whoever releases it.
   *
   * @throws `TimeoutError` when none became free in time; the signal's reason, as it is
   */
  async lend(options: UseOptions): Promise<PooledClient> {
    const client = await this.#connect(options);
    guard(client);
    return client;
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
  async #giveBack(client: PooledClient, session: Session): Promise<void> {
    await session.rollback();
    if (!session.broken) client.release();
  }

  // Never rejects.
  async #discard(client: PooledClient, session: Session, cancels: boolean): Promise<void> {
    // A pooler makes numbers of its own up: on the server they would be somebody else's.
    const processId = this.#pooler === 'none' ? client.processID : undefined;
    client.release(session.broken);
    if (!session.unanswered || !cancels || processId === undefined) return;
    // The server would go on, and keep its locks, until it notices. If it cannot be told, it notices later.
    await this.run([cancelBackend.bind(processId)], { operation: CANCEL }).catch(noop);
  }

  // Once for the pool, before its first work: a statement that meets a name which another client has made cannot be sent again in the
  // middle of a transaction.
  async #learn(session: Session, processId: number | undefined): Promise<Pooler> {
    if (this.#pooler) return this.#pooler;
    try {
      const answers = await session.run([NAMED_PROBE, findPooler.bind(processId)]);
      this.#pooler = findPooler.rows(answers[1])[0] ?? 'none';
    } catch (error) {
      if (serverError(error)?.code !== '42P05') throw error;
      this.#pooler = 'forgets names';
    }
    return this.#pooler;
  }

  // Where calls wait in line, the pool is too small for what goes on, or somebody keeps connections; else the server does not answer.
  #tooLate(): ConnectionError | TimeoutError {
    const seconds = `${this.#timeoutMs / 1_000} s`;
    return (this.#pool.waitingCount ?? 0) > 0
      ? new TimeoutError({ message: exhausted(`within ${seconds}`) })
      : new ConnectionError({ message: `No connection to PostgreSQL within ${seconds}; try again` });
  }

  async #connect(options: UseOptions): Promise<PooledClient> {
    const { signal } = options;
    const asked = this.#pool.connect();
    try {
      return await bounded(asked, signal, { ms: this.#timeoutMs, error: () => this.#tooLate() });
    } catch (error) {
      // It may still come; then nobody wants it.
      asked.then((client) => client.release(), noop);
      if (signal?.aborted === true && error === signal.reason) throw error;
      throw toPolyphaseError(error, placeOf(options));
    }
  }
}

function bounded<T>(
  promise: Promise<T>,
  signal: AbortSignal | undefined,
  limit: { readonly ms: number; readonly error: () => Error },
): Promise<T> {
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
      reject(limit.error());
    }, limit.ms);
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

function unknownOutcome(operationId: string, cause: unknown, options: UseOptions): UnknownOutcomeError {
  const message = 'The request was sent and its outcome is not known; read what is there, or repeat it';
  return new UnknownOutcomeError({ message, operationId, cause, ...placeOf(options) });
}
