import type { BoundStatement, StatementResult } from './batch.ts';
import type { Statement } from './statement.ts';

/** What a read sends, and how its answer is read. */
export interface RowRead<Row> {
  readonly bound: BoundStatement;
  readonly rows: (result: StatementResult | undefined) => readonly Row[];
}

/** A read by a statement that is compiled already. */
export function readOne<Input, Row>(statement: Statement<Input, Row>, input: Input): RowRead<Row> {
  return { bound: statement.bind(input), rows: (result) => statement.rows(result) };
}
