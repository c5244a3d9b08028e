import type { PostgresPoolClient } from 'kysely';

/** One value of a row or of a parameter in PostgreSQL's text format; null is SQL's null. */
export type Cell = string | null;

/** The part of pg's protocol connection that a batch speaks to: what `pg-cursor` and `pg-copy-streams` use too, and `close`. */
export interface DriverConnection {
  readonly stream: { cork(): void; uncork(): void };
  parse(message: { name: string; text: string }, more: boolean): void;
  bind(message: { statement: string; values: readonly Cell[] } | null, more: boolean): void;
  execute(message: Record<string, never> | null, more: boolean): void;
  close(message: { type: 'S'; name: string }, more: boolean): void;
  sendCopyFromChunk(chunk: Buffer): void;
  endCopyFrom(): void;
  sync(): void;
  on(event: string, listener: () => void): unknown;
  off(event: string, listener: () => void): unknown;
}

/** What pg's client hands the messages of a request to: a `Submittable` that is its own result. */
export interface DriverRequest {
  submit(connection: DriverConnection): void;
  handleRowDescription(): void;
  handleDataRow(message: { readonly fields: readonly Cell[] }): void;
  handleCommandComplete(message: { readonly text: string }): void;
  handleEmptyQuery(): void;
  handleCopyInResponse(): void;
  handlePortalSuspended(): void;
  handleError(error: unknown): void;
  handleReadyForQuery(): void;
}

/** A statement of the application's own. The extended protocol takes one statement at a time, whether it has parameters or not. */
export interface DriverQuery {
  readonly text: string;
  readonly values: unknown[];
  readonly queryMode: 'extended';
}

/** What the driver makes of the answer to a {@link DriverQuery}, with the type parsers that the application registered. */
export interface DriverRows {
  readonly command: string;
  readonly rowCount: number | null;
  readonly rows: readonly object[];
}

/** The part of pg's `PoolClient` that is called. */
export interface DriverClient {
  query(request: DriverRequest): unknown;
  query(request: DriverQuery): Promise<DriverRows>;
  release(destroy?: Error | boolean): void;
  on(event: 'error', listener: (error: Error) => void): unknown;
}

/** A connection of a pool: the part that is called here, and the part that Kysely calls. */
export type PooledClient = DriverClient & PostgresPoolClient;

/** The part of pg's `Pool` that is called. Whoever made it closes it. */
export interface PostgresPool {
  /** Takes a connection from the pool, waiting for one as the pool is set to. */
  connect(): Promise<PooledClient>;
  /** Hears of idle connections that are lost, so that one does not end the process. */
  on(event: 'error', listener: (error: Error) => void): unknown;
  /** Hears of new connections before anybody has them: one may be lost at that very moment. */
  on(event: 'connect', listener: (client: PooledClient) => void): unknown;
  readonly options: object;
  /** Calls that wait for a connection that others have, where the pool tells. */
  readonly waitingCount?: number;
}

const guarded = new WeakSet<object>();
const noop = (): void => undefined;

/**
 * Keeps the loss of a connection from ending the process, as an `error` event without a listener would: the pool listens only
 * while a connection is idle. Whoever uses the connection, or the pool, learns of the loss by itself.
 */
export function guard(emitter: Pick<DriverClient, 'on'>): void {
  if (guarded.has(emitter)) return;
  guarded.add(emitter);
  emitter.on('error', noop);
}

/** The same for a pool and each of its connections, from the moment when it is made. */
export function guardPool(pool: PostgresPool): void {
  if (guarded.has(pool)) return;
  guard(pool);
  pool.on('connect', guard);
}
