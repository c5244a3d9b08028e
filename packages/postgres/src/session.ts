import { TimeoutError } from '@polyphase/core';
import { Batch, type BoundStatement, isStalePlan, type StatementResult } from './batch.ts';
import type { DriverClient, DriverRows } from './driver.ts';
import { breaksConnection } from './postgres-errors.ts';
import { command } from './statement.ts';

const ROLLBACK = command('rollback');

/** How a connection is used. */
export interface SessionOptions {
  readonly client: DriverClient;
  /** Longest wait for the answer to one batch. */
  readonly timeoutMs: number;
  readonly signal: AbortSignal | undefined;
  /** Told once, when the connection is of no use any more, so that another may take its place while the work goes on. */
  readonly broke: (session: Session) => void;
}

/** One connection while a piece of work has it. Knows whether it may go back to the pool. */
export class Session {
  readonly #client: DriverClient;
  readonly #timeoutMs: number;
  readonly #signal: AbortSignal | undefined;
  readonly #broke: (session: Session) => void;
  readonly #failures = new Set<unknown>();
  #broken: Error | undefined;
  #unanswered = false;
  #open = false;
  #unnamed = false;

  constructor(options: SessionOptions) {
    this.#client = options.client;
    this.#timeoutMs = options.timeoutMs;
    this.#signal = options.signal;
    this.#broke = options.broke;
  }

  /** Why the connection is of no use any more: it was lost, gave no answer in time, or was given up in the middle. */
  get broken(): Error | undefined {
    return this.#broken;
  }

  /** Whether the server may still be busy with what nobody waits for any more. */
  get unanswered(): boolean {
    return this.#unanswered;
  }

  /** Told that the connection keeps no names: a pooler hands each transaction to whichever connection of the server is free. */
  set unnamed(unnamed: boolean) {
    this.#unnamed = unnamed;
  }

  /** Whether an error came from here, and not from the work itself. */
  failedWith(error: unknown): boolean {
    return this.#failures.has(error);
  }

  /** Told by whoever opens a transaction, before that, and when it ended; one that is left open is rolled back. */
  set open(open: boolean) {
    this.#open = open;
  }

  /**
   * Sends statements in one round trip. A batch that starts a transaction, or is one by itself, is sent again once when the
   * connection had lost its prepared statements: nothing of it was done.
   *
   * Rejects with the server's error, the signal's reason, or a `TimeoutError`; after the latter two the connection is broken,
   * and what was sent may still be done by the server.
   */
  async run(statements: readonly BoundStatement[]): Promise<readonly StatementResult[]> {
    try {
      return await this.#send(statements, this.#signal);
    } catch (error) {
      const starts = !this.#open || statements[0]?.text.startsWith('begin') === true;
      if (!starts || !isStalePlan(error)) throw error;
      if (this.#open) await this.#send([ROLLBACK], undefined);
      return this.#send(statements, this.#signal);
    }
  }

  /** Sends one statement of the application's own, under the same bounds. */
  async query(text: string, values: readonly unknown[]): Promise<DriverRows> {
    return this.#exchange(this.#signal, (answered, failed) => {
      this.#client.query({ text, values: [...values], queryMode: 'extended' }).then(answered, failed);
    });
  }

  /** Ends what is open, whatever the signal says. Never rejects: what fails breaks the connection. */
  async rollback(): Promise<void> {
    if (!this.#open || this.#broken) return;
    try {
      await this.#send([ROLLBACK], undefined);
      this.#open = false;
    } catch (error) {
      this.#break(error);
    }
  }

  #break(error: unknown): void {
    if (this.#broken) return;
    this.#broken = error instanceof Error ? error : new Error('given up', { cause: error });
    this.#broke(this);
  }

  #send(
    statements: readonly BoundStatement[],
    signal: AbortSignal | undefined,
  ): Promise<readonly StatementResult[]> {
    const sent = this.#unnamed ? statements.map((it) => ({ ...it, name: '' })) : statements;
    return this.#exchange(signal, (answered, failed) => {
      this.#client.query(new Batch(sent, answered, failed));
    });
  }

  #exchange<Answer>(
    signal: AbortSignal | undefined,
    send: (answered: (answer: Answer) => void, failed: (error: unknown) => void) => void,
  ): Promise<Answer> {
    return new Promise((resolve, reject) => {
      const settle = (): void => {
        clearTimeout(timer);
        signal?.removeEventListener('abort', abort);
      };
      const fail = (error: unknown, broken: boolean): void => {
        settle();
        this.#failures.add(error);
        if (broken) this.#break(error);
        reject(error);
      };
      const giveUp = (error: unknown): void => {
        this.#unanswered = true;
        fail(error, true);
      };
      const abort = (): void => giveUp(signal?.reason);
      const message = `PostgreSQL gave no answer within ${this.#timeoutMs / 1_000} s`;
      const timer = setTimeout(() => giveUp(new TimeoutError({ message })), this.#timeoutMs);
      if (signal?.aborted === true) return fail(signal.reason, false);
      if (this.#broken) return fail(this.#broken, true);
      signal?.addEventListener('abort', abort, { once: true });
      const answered = (answer: Answer): void => {
        settle();
        resolve(answer);
      };
      send(answered, (error) => fail(error, breaksConnection(error)));
    });
  }
}
