import {
  type CompiledQuery,
  type ConnectionProvider,
  type DatabaseConnection,
  DefaultQueryExecutor,
  DummyDriver,
  type QueryResult,
  Transaction,
} from 'kysely';
import { bareDialect } from './bare-dialect.ts';
import type { DriverRows } from './driver.ts';

/** How a transaction of somebody else's takes Kysely's statements. */
export interface TransactionKyselyOptions {
  /** Sends one statement over the connection of the transaction. */
  readonly send: (
    text: string,
    values: readonly unknown[],
    signal: AbortSignal | undefined,
  ) => Promise<DriverRows>;
  readonly stream: DatabaseConnection['streamQuery'];
  /** What Kysely knows of the database. @default PostgreSQL */
  readonly dialect?: typeof bareDialect;
}

/** Kysely on a transaction that somebody else begins and ends. It asks for no connection by itself. */
export function transactionKysely<Tables>({
  send,
  stream,
  dialect = bareDialect,
}: TransactionKyselyOptions): Transaction<Tables> {
  const connection: DatabaseConnection = {
    executeQuery: async <Row>(
      { sql, parameters }: Pick<CompiledQuery, 'sql' | 'parameters'>,
      { signal }: { readonly signal?: AbortSignal } = {},
    ): Promise<QueryResult<Row>> => {
      const { command, rowCount, rows } = await send(sql, parameters, signal);
      const isChange = /^(INSERT|UPDATE|DELETE|MERGE)$/.test(command);
      return {
        ...(isChange ? { numAffectedRows: BigInt(rowCount ?? 0) } : {}),
        // The caller of Kysely says what its rows are; the driver cannot.
        rows: rows as Row[],
      };
    },
    streamQuery: stream,
  };
  const provider: ConnectionProvider = { provideConnection: (consumer) => consumer(connection) };
  const executor = new DefaultQueryExecutor(dialect.createQueryCompiler(), dialect.createAdapter(), provider);
  return new Transaction<Tables>({ config: { dialect }, dialect, driver: new DummyDriver(), executor });
}
