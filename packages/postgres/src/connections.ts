import { ConnectionError, UnknownOutcomeError } from '@polyphase/core';
import type { BoundStatement, StatementResult } from './batch.ts';
import { guard, type PooledClient, type PostgresPool } from './driver.ts';
import { type ErrorPlace, toPolyphaseError } from './postgres-errors.ts';
import { Session } from './session.ts';
import { cancelBackend } from './sql/cancel-backend.ts';

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
    const timeoutMs = this.#timeoutMs * (whole === true ? WHOLE_TABLE : 1);
    const session = new Session({ client, timeoutMs, signal });
    try {
      return await work(session);
    } catch (error) {
      if (options.unknownAs !== undefined && session.broken)
        throw unknownOutcome(options.unknownAs, error, options);
      if (!session.failedWith(error) || (signal?.aborted === true && error === signal.reason)) throw error;
      throw toPolyphaseError(error, placeOf(options));
    } finally {
      void this.#giveBack(client, session, options.operation !== CANCEL);
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
  async #giveBack(client: PooledClient, session: Session, cancels: boolean): Promise<void> {
    await session.rollback();
    client.release(session.broken ?? false);
    if (!session.unanswered || !cancels || client.processID === undefined) return;
    // The server would go on, and keep its locks, until it notices. If it cannot be told, it notices later.
    await this.run([cancelBackend.bind(client.processID)], { operation: CANCEL }).catch(noop);
  }

  async #connect(options: UseOptions): Promise<PooledClient> {
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

function unknownOutcome(operationId: string, cause: unknown, options: UseOptions): UnknownOutcomeError {
  const message = 'The request was sent and its outcome is not known; read what is there, or repeat it';
  return new UnknownOutcomeError({ message, operationId, cause, ...placeOf(options) });
}
