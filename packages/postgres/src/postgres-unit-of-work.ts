import {
  ConflictError,
  decideWrite,
  type Entity,
  InvalidOptionsError,
  keyLabel,
  type LiveRecord,
  liveRecord,
  type QueryPlan,
  type RecordKey,
  type RunUnit,
  type StoredRecord,
  TransactionConflictError,
  type UnitOptions,
  type UnitRecords,
  type WriteIntent,
  type WriteResult,
} from '@polyphase/core';
import type { BoundStatement, StatementResult } from './batch.ts';
import type { Connections, UseOptions } from './connections.ts';
import type { DriverRows } from './driver.ts';
import { fenceStatements, passFence } from './fence.ts';
import { FormerOperations } from './former-operations.ts';
import { type ErrorPlace, toPolyphaseError } from './postgres-errors.ts';
import { inOrder } from './postgres-records.ts';
import { freeing, toWriteResult } from './record-writer.ts';
import { type RowRead, readOne } from './row-read.ts';
import { SeenRecords, versionOf } from './seen-records.ts';
import type { Session } from './session.ts';
import { settleUnit, type UnitWrite } from './settle-unit.ts';
import type { ReadRow } from './sql/read-record.ts';
import { rowInput } from './sql/store-record.ts';
import { type TransactionPlace, transactionPlace } from './sql/transaction-place.ts';
import type { SqlUnit, UnitSqlOptions } from './sql-unit.ts';
import { checkRow } from './table.ts';
import type { KnownTable, Tables } from './tables.ts';
import { affected, BEGIN, COMMIT, committed } from './transaction.ts';

interface UnitParts {
  readonly connections: Connections;
  readonly tables: Tables;
}

/**
 * One unit of work: a transaction on one connection.
 *
 * States: open; failed, after a statement that the server refused, from where it can only be rolled back; ended. Calls run one
 * after the other, however they are made.
 */
class PostgresUnit implements SqlUnit {
  readonly #session: Session;
  readonly #tables: Tables;
  readonly options: UnitOptions;
  readonly #captures = new Map<string, boolean>();
  readonly #operations = new FormerOperations();
  readonly #seen = new SeenRecords();
  readonly written: UnitWrite[] = [];
  /** Number of the transaction, once it wrote. */
  transactionId: string | undefined;
  /** Where the transaction is, once it ran SQL of the application's own. */
  ranSqlAt: TransactionPlace | undefined;
  #begun = false;
  #ended = false;
  #failure: { readonly error: unknown } | undefined;
  #last: Promise<unknown> = Promise.resolve();

  constructor(session: Session, tables: Tables, options: UnitOptions) {
    this.#session = session;
    this.#tables = tables;
    this.options = options;
  }

  records(entity: Entity): UnitRecords {
    return {
      read: async (key, options) => {
        const find = ({ statements }: KnownTable): RowRead<ReadRow> => readOne(statements.read, key);
        return (await this.#readAll(entity, [key], find, options?.signal))[0];
      },
      getMany: async (keys, options) => {
        // With tombstones: a unit that saw none there must notice the write that comes in between.
        const find = ({ statements }: KnownTable): RowRead<ReadRow> => readOne(statements.readMany, keys);
        return inOrder(keys, await this.#readAll(entity, keys, find, options?.signal)).map(liveRecord);
      },
      query: (plan: QueryPlan, options) => this.#query(entity, plan, options?.signal),
      write: (intent, options) =>
        this.#inTurn(options?.signal, async () => {
          const result = await this.#write(entity, intent);
          this.written.push({ entity, result });
          return result;
        }),
    };
  }

  sql(text: string, values: readonly unknown[], { fencedBy, signal }: UnitSqlOptions): Promise<DriverRows> {
    return this.#inTurn(signal, async () => {
      await this.#enterForSql(fencedBy);
      return this.#attempt({ operation: 'kysely' }, () => this.#session.query(text, values));
    });
  }

  /** Waits for the calls that were made, and refuses new ones. */
  async end(): Promise<void> {
    this.#ended = true;
    await this.#last;
  }

  /**
   * Commits.
   *
   * @returns false when the reply was lost
   */
  async commit(): Promise<boolean> {
    if (this.#failure) throw this.#failure.error;
    if (!this.#begun) return true;
    try {
      const [commit] = await this.#session.run([COMMIT]);
      this.#session.open = false;
      if (!committed(commit))
        throw new TransactionConflictError({ message: 'The unit of work was rolled back; run it again' });
      return true;
    } catch (error) {
      if (this.#session.broken) return false;
      throw error;
    }
  }

  #inTurn<Result>(signal: AbortSignal | undefined, work: () => Promise<Result>): Promise<Result> {
    const turn = this.#last.then(async () => {
      signal?.throwIfAborted();
      if (this.#failure) throw this.#failure.error;
      return work();
    });
    if (this.#ended)
      return Promise.reject(
        new InvalidOptionsError({ message: 'The unit of work has ended; await every call inside it' }),
      );
    this.#last = turn.catch(() => undefined);
    return turn;
  }

  async #run(statements: readonly BoundStatement[], place: ErrorPlace): Promise<readonly StatementResult[]> {
    const lead = this.#begun ? [] : [BEGIN];
    this.#begun = true;
    this.#session.open = true;
    const answers = await this.#attempt(place, () => this.#session.run([...lead, ...statements]));
    return answers.slice(lead.length);
  }

  async #attempt<Answer>(place: ErrorPlace, send: () => Promise<Answer>): Promise<Answer> {
    try {
      return await send();
    } catch (cause) {
      // The server takes nothing more in this transaction.
      const error = cause === this.options.signal?.reason ? cause : toPolyphaseError(cause, place);
      this.#failure = { error };
      throw error;
    }
  }

  #known(entity: Entity, layout?: number): Promise<KnownTable> {
    return this.#tables.get(
      entity,
      async (statement) => (await this.#run([statement], { entity: entity.name }))[0],
      layout,
    );
  }

  #readAll(
    entity: Entity,
    keys: readonly RecordKey[],
    find: (known: KnownTable) => RowRead<ReadRow>,
    signal: AbortSignal | undefined,
  ): Promise<readonly StoredRecord[]> {
    return this.#inTurn(signal, async () => {
      const records = (await this.#rows(entity, find)).map(({ record }) => record);
      for (const key of keys) this.#seen.see(entity, key, undefined);
      for (const record of records) this.#seen.see(entity, record.key, versionOf(record));
      return records;
    });
  }

  #query(entity: Entity, plan: QueryPlan, signal: AbortSignal | undefined): Promise<readonly LiveRecord[]> {
    return this.#inTurn(signal, async () => {
      const rows = await this.#rows(entity, ({ queries }) => queries.bind(plan));
      for (const { record } of rows) this.#seen.see(entity, record.key, record.version);
      return rows.map(({ record }) => record);
    });
  }

  async #rows<Row extends { readonly layout: number }>(
    entity: Entity,
    find: (known: KnownTable) => RowRead<Row>,
  ): Promise<readonly Row[]> {
    let known = await this.#known(entity);
    for (;;) {
      const { bound, rows } = find(known);
      const found = rows((await this.#run([bound], { entity: entity.name }))[0]);
      const other = found.find(({ layout }) => layout !== known.table.layout);
      if (!other) return found;
      known = await this.#known(entity, other.layout);
    }
  }

  async #write(entity: Entity, intent: WriteIntent): Promise<WriteResult> {
    const { term, fence } = this.options.fenceOf(entity);
    const place = { operation: intent.kind, entity: entity.name, key: keyLabel(intent.key) };
    const capture = await this.#enter(fence, term);
    let known = await this.#known(entity);
    for (;;) {
      const { statements, table } = known;
      const [lock, at] = await this.#run(
        [statements.lock.bind(intent.key), statements.moment.bind(undefined)],
        place,
      );
      const [moment] = statements.moment.rows(at);
      if (!moment || moment.layout !== table.layout) {
        known = await this.#known(entity, moment?.layout ?? 0);
        continue;
      }
      const current = statements.lock.rows(lock)[0];
      if (!this.#seen.isUnchanged(entity, intent.key, current))
        throw await this.#changed(known, entity, intent);
      const decision = decideWrite(this.#operations.without(entity, intent, current), intent, {
        entity,
        term,
        serverNowMs: moment.serverNowMs,
      });
      if (decision.kind === 'done') return toWriteResult(decision, intent);
      checkRow(entity, decision.record);
      this.transactionId = moment.transactionId;
      const store = statements.store({ over: current !== undefined, capture });
      const input = rowInput(table, decision.record);
      const answers = await this.#run([...freeing(known, input), store.bind(input)], place);
      const stored = answers.at(-1);
      // Somebody else created it first, and has committed by now.
      if (affected(stored) === 0) continue;
      this.#seen.see(entity, intent.key, versionOf(decision.record));
      return toWriteResult(decision, intent);
    }
  }

  // What the unit's own SQL changed would be changed again by the next run, so that running it again is no help.
  async #changed({ statements }: KnownTable, entity: Entity, intent: WriteIntent): Promise<Error> {
    const place = { operation: intent.kind, entity: entity.name, key: keyLabel(intent.key) };
    const own = this.ranSqlAt && (await this.#run([statements.changedHere.bind(intent.key)], place))[0];
    return statements.changedHere.rows(own).length > 0
      ? new ConflictError({
          ...place,
          message:
            'SQL of this unit of work changed the record after the unit had read it; read it once more before you write it',
        })
      : new TransactionConflictError({
          ...place,
          message: 'A record changed after the unit of work had read it; run it again',
        });
  }

  // Each group is entered once; whether its keys are captured cannot change while its lock is shared.
  async #enter(fence: string | undefined, term: number): Promise<boolean> {
    if (fence === undefined) return false;
    const entry = `${term} ${fence}`;
    const known = this.#captures.get(entry);
    if (known !== undefined) return known;
    const capture = passFence(fence, term, (await this.#run(fenceStatements(fence), { key: fence }))[1]);
    this.#captures.set(entry, capture);
    return capture;
  }

  // All fences in one round trip, and the transaction's number: a reply to COMMIT may be lost though no record was written.
  async #enterForSql(entities: readonly Entity[]): Promise<void> {
    const entering = entities
      .map((entity) => this.options.fenceOf(entity))
      .filter(({ fence, term }) => fence !== undefined && !this.#captures.has(`${term} ${fence}`));
    if (entering.length === 0 && this.ranSqlAt) return;
    const fences = entering.flatMap(({ fence }) => fenceStatements(fence));
    const answers = await this.#run([...fences, transactionPlace.bind(undefined)], { operation: 'kysely' });
    for (const [at, { fence, term }] of entering.entries())
      this.#captures.set(`${term} ${fence}`, passFence(fence, term, answers[at * 2 + 1]));
    this.ranSqlAt = transactionPlace.rows(answers.at(-1))[0];
    this.transactionId = this.ranSqlAt?.transactionId;
  }
}

/** Makes the function that runs units of work. */
export function postgresRunUnit({ connections, tables }: UnitParts): RunUnit {
  return async (work, options) => {
    const place: UseOptions = { operation: 'unit of work', signal: options.signal };
    return connections.use(async (session) => {
      const unit = new PostgresUnit(session, tables, options);
      let result: Awaited<ReturnType<typeof work>>;
      try {
        result = await work(unit);
      } finally {
        await unit.end();
      }
      if (!(await unit.commit())) await settleUnit({ connections, tables }, unit, place);
      return { result, written: unit.written };
    }, place);
  };
}
