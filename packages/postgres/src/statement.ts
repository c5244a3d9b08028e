import { digestOf } from '@polyphase/core';
import { Kysely, type RawBuilder, sql } from 'kysely';
import { bareDialect } from './bare-dialect.ts';
import type { BoundStatement, StatementResult } from './batch.ts';
import type { Cell } from './driver.ts';

// Kysely as a compiler alone: names are quoted and values bound by it, and nothing is ever run through this instance.
const compiler = new Kysely<unknown>({ dialect: bareDialect });

/** A place for a parameter in a statement that is compiled once: says where its value is in the input of a call. */
class Slot<Input> {
  readonly read: (input: Input) => Cell;
  constructor(read: (input: Input) => Cell) {
    this.read = read;
  }
}

/** A statement that is compiled once and sent by name: its input, its text, and the type of its rows. */
export interface Statement<Input, Row> {
  readonly text: string;
  /** The statement with the parameters of one call. */
  bind(input: Input): BoundStatement;
  /** The typed rows of what the server answered to it. */
  rows(result: StatementResult | undefined): readonly Row[];
}

/** Makes the places for parameters; each takes the value's place in the input. Give the parameter a type: `${slot(…)}::text`. */
export type SlotMaker<Input> = (read: (input: Input) => Cell) => RawBuilder<unknown>;

/** Compiles a statement. `build` is called once; rows come by position, in text format. */
export function defineStatement<Input, Row>(
  build: (slot: SlotMaker<Input>) => RawBuilder<unknown>,
  row: (cells: readonly Cell[]) => Row,
): Statement<Input, Row> {
  const { sql: text, parameters } = build((read) => sql`${sql.val(new Slot(read))}`).compile(compiler);
  // A prepared statement is known by the digest of its text, so that equal texts share a plan and different ones never a name.
  const name = `hyb_${digestOf(text)}`;
  const slots = parameters.map((parameter) => {
    if (!(parameter instanceof Slot)) throw new TypeError(`A parameter of "${text}" has no slot`);
    // The one way in is `slot` above, which has this input.
    return parameter as Slot<Input>;
  });
  return {
    text,
    bind: (input) => ({ name, text, values: slots.map((it) => it.read(input)) }),
    rows: (result) => (result ? result.rows.map(row) : []),
  };
}

/** The text of a piece of SQL: the same for the same piece. */
export function textOf(part: RawBuilder<unknown>): string {
  return part.compile(compiler).sql;
}

/** A statement of fixed text without parameters and rows. */
export function command(text: string): BoundStatement {
  return { name: `hyb_${digestOf(text)}`, text, values: [] };
}

/** The array literal of texts, for a parameter of type `text[]`. */
export function arrayLiteral(items: readonly Cell[]): string {
  let literal = '';
  for (const item of items) {
    if (literal !== '') literal += ',';
    if (item === null) literal += 'NULL';
    else literal += `"${/["\\]/.test(item) ? item.replace(/["\\]/g, '\\$&') : item}"`;
  }
  return `{${literal}}`;
}

/**
 * Texts of which none is empty or has a line break, as lines, and nothing for null: for `string_to_array(…, E'\n', '')`, which spares
 * both sides the escaping of an {@link arrayLiteral}.
 */
export function lines(items: readonly Cell[]): string {
  return items.map((item) => item ?? '').join('\n');
}

/** The row of a statement that answers with none, or with nothing that is read. */
export const noRow = (): undefined => undefined;

/** Text of a cell that is never null. */
export function textCell(cell: Cell | undefined): string {
  return cell ?? '';
}

/** Number of a cell that is never null. Counters stay below 2^53. */
export function numberCell(cell: Cell | undefined): number {
  return Number(cell ?? 0);
}
