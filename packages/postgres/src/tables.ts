import { type Entity, InvalidOptionsError } from '@polyphase/core';
import type { BoundStatement, StatementResult } from './batch.ts';
import { TableQueries } from './postgres-query.ts';
import { readLayout } from './sql/read-layout.ts';
import { type Table, wantedTable } from './table.ts';
import type { TableNames } from './table-map.ts';
import { type TableStatements, tableStatements } from './table-statements.ts';

/** A table as it is in the database, with its statements. */
export interface KnownTable {
  readonly table: Table;
  readonly statements: TableStatements;
  readonly queries: TableQueries;
}

/** Sends one statement: on a connection of the pool, or inside a transaction that is open. */
export type RunOne = (statement: BoundStatement) => Promise<StatementResult | undefined>;

/** Knows the tables of entities as they are in the database, and looks again when a layout turns out to be another. */
export class Tables {
  readonly #names: TableNames;
  readonly #known = new Map<Entity, KnownTable>();

  constructor(options: { readonly names: TableNames }) {
    this.#names = options.names;
  }

  /**
   * The table of an entity.
   *
   * @param layout the layout that was seen; another one than is known makes us look
   * @throws {@link InvalidOptionsError} when no migration made the table
   */
  async get(entity: Entity, run: RunOne, layout?: number): Promise<KnownTable> {
    const known = this.#known.get(entity);
    if (known && (layout === undefined || layout === known.table.layout)) return known;
    const wanted = wantedTable(this.#names, entity);
    const found = readLayout.rows(await run(readLayout.bind(wanted)))[0];
    if (!found)
      throw new InvalidOptionsError({
        message: `The table of ${entity.name} is missing in schema ${wanted.schema}; apply the migrations (prepare, or postgresMigrations)`,
        entity: entity.name,
      });
    const table: Table = { ...wanted, ...found };
    const fresh = { table, statements: tableStatements(table), queries: new TableQueries(table) };
    this.#known.set(entity, fresh);
    return fresh;
  }
}
