import { sql } from 'kysely';
import { defineStatement, type Statement, textCell } from '../statement.ts';

/** What a transaction is known by after its connection is lost. */
export interface TransactionPlace {
  /** The transaction's number. */
  readonly transactionId: string;
  /** When the server started. Another start is another server, or one that lost its memory: there the number may be another transaction's. */
  readonly server: string;
}

/** Asks where a transaction is. It gets a number for it, whether it writes or not. */
export const transactionPlace: Statement<undefined, TransactionPlace> = defineStatement<
  undefined,
  TransactionPlace
>(
  () => sql`select pg_current_xact_id()::text, extract(epoch from pg_postmaster_start_time())::text`,
  ([transactionId, server]) => ({ transactionId: textCell(transactionId), server: textCell(server) }),
);
