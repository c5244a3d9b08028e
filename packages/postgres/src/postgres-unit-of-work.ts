import {
  ConnectionError,
  decideWrite,
  type Entity,
  InvalidOptionsError,
  keyLabel,
  keyText,
  type QueryPlan,
  type RecordKey,
  type RunUnit,
  type StoredRecord,
  TransactionConflictError,
  type UnitOfWork,
  type UnitOptions,
  type UnitRecords,
  UnknownOutcomeError,
  type WriteIntent,
  type WriteResult,
} from '@polyphase/core';
import type { BoundStatement, StatementResult } from './batch.ts';
import type { Connections, UseOptions } from './connections.ts';
import { fenceStatements, passFence } from './fence.ts';
import { type ErrorPlace, toPolyphaseError } from './postgres-errors.ts';
import { recordsOf } from './postgres-query.ts';
import { inOrder, type RowRead, readOne } from './postgres-records.ts';
import { toWriteResult } from './record-writer.ts';
import type { Session } from './session.ts';
import { settleCommit } from './settle.ts';
import { rowInput } from './sql/store-record.ts';
import { checkRow } from './table.ts';
import type { KnownTable, Tables } from './tables.ts';
import { affected, BEGIN, COMMIT, committed } from './transaction.ts';

interface UnitParts {
  readonly connections: Connections;
  readonly tables: Tables;
}

interface Written {
  readonly entity: Entity;
  readonly result: WriteResult;
}

/**
 * One unit of work: a transaction on one connection.
 *
 * States: open; failed, after a statement that the server refused, from where it can only be rolled back; ended. Calls run one
 * after the other, however they are made.
 */
class PostgresUnit implements UnitOfWork {
  readonly #session: Session;
  readonly #tables: Tables;
  readonly #options: UnitOptions;
  readonly #captures = new Map<string, boolean>();
  /** Operation ids that each record remembered before this unit wrote it. */
  readonly #operations = new Map<string, ReadonlySet<string>>();
  /** Version of each record that was seen, so that another's change in between is noticed. */
  readonly #seen = new Map<string, string>();
  readonly written: Written[] = [];
  /** Number of the transaction, once it wrote. */
  transactionId: string | undefined;
  #begun = false;
  #ended = false;
  #failure: { readonly error: unknown } | undefined;
  #last: Promise<unknown> = Promise.resolve();

  constructor(session: Session, tables: Tables, options: UnitOptions) {
    this.#session = session;
    this.#tables = tables;
    this.#options = options;
  }

  records(entity: Entity): UnitRecords {
    return {
      read: async (key, options) => {
        const find = ({ statements }: KnownTable): RowRead => readOne(statements.read, key);
        return (await this.#read(entity, [key], find, options?.signal))[0];
      },
      readMany: async (keys, options) => {
        const find = ({ statements }: KnownTable): RowRead => readOne(statements.readMany, keys);
        return inOrder(keys, await this.#read(entity, keys, find, options?.signal));
      },
      query: (plan: QueryPlan, options) =>
        this.#read(entity, [], ({ queries }) => queries.bind(plan), options?.signal),
      write: (intent, options) =>
        this.#inTurn(options?.signal, async () => {
          const result = await this.#write(entity, intent);
          this.written.push({ entity, result });
          return result;
        }),
    };
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
    try {
      return (await this.#session.run([...lead, ...statements])).slice(lead.length);
    } catch (cause) {
      // The server takes nothing more in this transaction.
      const error = cause === this.#options.signal?.reason ? cause : toPolyphaseError(cause, place);
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

  #read(
    entity: Entity,
    keys: readonly RecordKey[],
    find: (known: KnownTable) => RowRead,
    signal: AbortSignal | undefined,
  ): Promise<readonly StoredRecord[]> {
    return this.#inTurn(signal, async () => {
      let known = await this.#known(entity);
      for (;;) {
        const { bound, rows } = find(known);
        const found = rows((await this.#run([bound], { entity: entity.name }))[0]);
        const other = found.find(({ layout }) => layout !== known.table.layout);
        if (other) known = await this.#known(entity, other.layout);
        else {
          const records = recordsOf(found);
          for (const key of keys) this.#see(entity, key, undefined);
          for (const record of records) this.#see(entity, record.key, record);
          return records;
        }
      }
    });
  }

  #see(entity: Entity, key: RecordKey, record: StoredRecord | undefined): void {
    this.#seen.set(`${entity.name} ${keyText(key)}`, versionOf(record));
  }

  async #write(entity: Entity, intent: WriteIntent): Promise<WriteResult> {
    const { term, fence } = this.#options.fenceOf(entity);
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
      this.#checkUnchanged(entity, intent, current);
      const decision = decideWrite(this.#withoutOwn(entity, intent, current), intent, {
        entity,
        term,
        serverNowMs: moment.serverNowMs,
      });
      if (decision.kind === 'done') return toWriteResult(decision, intent);
      checkRow(entity, decision.record);
      this.transactionId = moment.transactionId;
      const store = statements.store({ over: current !== undefined, capture });
      const [stored] = await this.#run([store.bind(rowInput(table, decision.record))], place);
      // Somebody else created it first, and has committed by now.
      if (affected(stored) === 0) continue;
      this.#see(entity, intent.key, decision.record);
      return toWriteResult(decision, intent);
    }
  }

  // Several writes of a unit may carry its operation id: only what was committed before counts as done.
  #withoutOwn(
    entity: Entity,
    intent: WriteIntent,
    current: StoredRecord | undefined,
  ): StoredRecord | undefined {
    const id = `${entity.name} ${keyText(intent.key)}`;
    const before = this.#operations.get(id) ?? new Set(current?.operations.map((it) => it.id));
    this.#operations.set(id, before);
    if (!current) return undefined;
    const operations = current.operations.filter((it) => it.id !== intent.operationId || before.has(it.id));
    return { ...current, operations };
  }

  #checkUnchanged(entity: Entity, intent: WriteIntent, current: StoredRecord | undefined): void {
    const seen = this.#seen.get(`${entity.name} ${keyText(intent.key)}`);
    if (seen === undefined || seen === versionOf(current)) return;
    throw new TransactionConflictError({
      message: 'A record changed after the unit of work had read it; run it again',
      operation: intent.kind,
      entity: entity.name,
      key: keyLabel(intent.key),
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
}

function versionOf(record: StoredRecord | undefined): string {
  return record ? `${record.version.term}.${record.version.counter}` : '';
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
      if (!(await unit.commit())) await settleUnit({ connections, tables }, unit, options, place);
      return { result, written: unit.written };
    }, place);
  };
}

async function settleUnit(
  { connections, tables }: UnitParts,
  unit: PostgresUnit,
  { operationId, signal }: UnitOptions,
  place: UseOptions,
): Promise<void> {
  const first = unit.written.find(({ result }) => !result.repeated);
  if (unit.transactionId === undefined || !first) return;
  const message =
    'The unit of work was sent and its outcome is not known; repeat it with the same operationId';
  const unknown = new UnknownOutcomeError({ message, operationId });
  if (signal?.aborted === true) throw unknown;
  const status = await settleCommit(connections, unit.transactionId, place);
  if (status === 'aborted')
    throw new ConnectionError({ message: 'The connection was lost before the commit; nothing was written' });
  if (status === 'unknown') throw unknown;
  // After a failover to a server that lost commits, the number may be another transaction's: the records have the last word.
  const { statements } = await tables.get(first.entity, connections.one(place));
  const [answer] = await connections.run([statements.read.bind(first.result.record.key)], place);
  const made = first.result.record.operations[0]?.id;
  const there = statements.read.rows(answer)[0]?.record;
  if (!there?.operations.some(({ id }) => id === made)) throw unknown;
}
