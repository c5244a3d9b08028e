import { sql } from 'kysely';
import { defineStatement, type Statement } from '../statement.ts';

/** What became of a transaction. Undefined: the server forgot it. */
export type TransactionStatus = 'in progress' | 'committed' | 'aborted' | undefined;

/** Asks what became of a transaction, by its number. */
export const readTransaction: Statement<string, TransactionStatus> = defineStatement<
  string,
  TransactionStatus
>(
  (slot) => sql`select pg_xact_status(${slot((id) => id)}::text::xid8)`,
  ([status]) =>
    status === 'in progress' || status === 'committed' || status === 'aborted' ? status : undefined,
);
