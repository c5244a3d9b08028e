import type { Cell, DriverConnection, DriverRequest } from './driver.ts';

/**
 * A statement with its parameters, ready to be sent. The name stands for the text on every connection; without one it is parsed each
 * time.
 */
export interface BoundStatement {
  readonly name: string;
  readonly text: string;
  readonly values: readonly Cell[];
  /** What a `copy … from stdin` reads. Sent behind it without waiting for the server, which drops it when it refuses the statement. */
  readonly copied?: readonly Buffer[];
}

/** What one statement of a batch answered. */
export interface StatementResult {
  /** Rows by position, in PostgreSQL's text format: untouched by the type parsers that an application registers. */
  readonly rows: readonly (readonly Cell[])[];
  /** The command tag, such as `INSERT 0 1`. A COMMIT that rolled back says `ROLLBACK`. */
  readonly tag: string;
}

// Which named statements a connection has. A name whose ParseComplete never came may or may not be there.
const prepared = new WeakMap<DriverConnection, Map<string, 'there' | 'unsure'>>();

function preparedOn(connection: DriverConnection): Map<string, 'there' | 'unsure'> {
  const names = prepared.get(connection) ?? new Map<string, 'there' | 'unsure'>();
  prepared.set(connection, names);
  return names;
}

/** Whether a connection lost a prepared statement: it is gone (DISCARD, a pooler), or its plan does not fit the table any more. */
export function isStalePlan(error: unknown): boolean {
  if (typeof error !== 'object' || error === null || !('code' in error)) return false;
  return (
    error.code === '26000' ||
    (error.code === '0A000' && 'routine' in error && error.routine === 'RevalidateCachedQuery')
  );
}

/**
 * Several named statements and one Sync: one round trip. Outside of BEGIN … COMMIT they are one implicit transaction. After a
 * failure the server skips what follows, so a COMMIT behind a failed statement is never run.
 */
export class Batch implements DriverRequest {
  /** Set by pg when the client has a `query_timeout`; called so that its timer ends. */
  callback: (() => void) | undefined;
  readonly #statements: readonly BoundStatement[];
  readonly #resolve: (results: readonly StatementResult[]) => void;
  readonly #reject: (error: unknown) => void;
  readonly #results: StatementResult[] = [];
  readonly #parsing: string[] = [];
  #rows: (readonly Cell[])[] = [];
  #connection: DriverConnection | undefined;

  constructor(
    statements: readonly BoundStatement[],
    resolve: (results: readonly StatementResult[]) => void,
    reject: (error: unknown) => void,
  ) {
    this.#statements = statements;
    this.#resolve = resolve;
    this.#reject = reject;
  }

  submit(connection: DriverConnection): void {
    this.#connection = connection;
    connection.on('parseComplete', this.#parsed);
    const names = preparedOn(connection);
    connection.stream.cork();
    for (const { name, text, values, copied } of this.#statements) {
      if (name === '') {
        connection.parse({ name, text }, true);
        this.#parsing.push(name);
      } else if (names.get(name) !== 'there' && !this.#parsing.includes(name)) {
        // Closing a statement that is not there is no error; parsing one that is there would be.
        if (names.has(name)) connection.close({ type: 'S', name }, true);
        connection.parse({ name, text }, true);
        names.set(name, 'unsure');
        this.#parsing.push(name);
      }
      connection.bind({ statement: name, values }, true);
      connection.execute({}, true);
      if (copied) {
        for (const chunk of copied) connection.sendCopyFromChunk(chunk);
        connection.endCopyFrom();
      }
    }
    connection.sync();
    connection.stream.uncork();
  }

  handleRowDescription(): void {
    // Columns are known by position; no description is asked for.
  }

  handleDataRow(message: { readonly fields: readonly Cell[] }): void {
    this.#rows.push(message.fields);
  }

  handleCommandComplete(message: { readonly text: string }): void {
    this.#results.push({ rows: this.#rows, tag: message.text });
    this.#rows = [];
  }

  handleEmptyQuery(): void {
    this.#results.push({ rows: [], tag: '' });
  }

  handleCopyInResponse(): void {
    // What it asks for is on its way.
  }

  handlePortalSuspended(): void {
    // Every row is asked for, so that no portal is ever suspended.
  }

  handleError(error: unknown): void {
    this.#end();
    if (this.#connection && isStalePlan(error)) {
      const names = preparedOn(this.#connection);
      for (const name of names.keys()) names.set(name, 'unsure');
    }
    this.#reject(error);
  }

  handleReadyForQuery(): void {
    this.#end();
    this.#resolve(this.#results);
  }

  readonly #parsed = (): void => {
    const name = this.#parsing.shift();
    if (name && this.#connection) preparedOn(this.#connection).set(name, 'there');
  };

  #end(): void {
    this.#connection?.off('parseComplete', this.#parsed);
    this.callback?.();
  }
}
