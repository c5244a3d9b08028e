import { sql } from 'kysely';
import { defineStatement, numberCell, type Statement, textCell } from '../statement.ts';
import type { Table } from '../table.ts';
import { layoutOf } from './layout.ts';

/** Where and when a transaction is. */
export interface Moment {
  /** The transaction's number: settles a COMMIT whose reply is lost. */
  readonly transactionId: string;
  /** The server's date in milliseconds. */
  readonly serverNowMs: number;
  /** Layout of the table; the transaction's lock on the table keeps it what it is. 0 where no migration ran. */
  readonly layout: number;
}

/** Asks for the moment. Comes after the statement that locks the record, so that date and layout are not older than it. */
export function readMoment(table: Table): Statement<undefined, Moment> {
  return defineStatement<undefined, Moment>(
    () => sql`
      select
        pg_current_xact_id()::text,
        floor(extract(epoch from clock_timestamp()) * 1000)::bigint,
        ${layoutOf(table)}`,
    ([transactionId, nowMs, layout]) => ({
      transactionId: textCell(transactionId),
      serverNowMs: numberCell(nowMs),
      layout: numberCell(layout),
    }),
  );
}
