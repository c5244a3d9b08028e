import {
  ConnectionError,
  decideWrite,
  type Entity,
  keyLabel,
  type StoredRecord,
  UnknownOutcomeError,
  type WriteDecision,
  type WriteIntent,
  type WriteOptions,
  type WriteResult,
} from '@polyphase/core';
import type { BoundStatement, StatementResult } from './batch.ts';
import type { Connections, UseOptions } from './connections.ts';
import { fenceStatements, passFence } from './fence.ts';
import type { Session } from './session.ts';
import { settleCommit, untilAnswered } from './settle.ts';
import { SharedTrips } from './shared-trips.ts';
import { type RowInput, rowInput } from './sql/store-record.ts';
import { checkRow } from './table.ts';
import type { KnownTable, Tables } from './tables.ts';
import { affected, BEGIN, COMMIT, committed } from './transaction.ts';
import { type AtOnce, type AtOnceOutcome, atOnce, sendAtOnce } from './write-at-once.ts';

/** What a decision made, told as every store tells it. */
export function toWriteResult(decision: WriteDecision, intent: WriteIntent): WriteResult {
  const { record, existed } = decision;
  // Deleting what is deleted stores nothing either, but is no repetition.
  const repeated = decision.kind === 'done' && record.operations.some((it) => it.id === intent.operationId);
  return { record, existed, repeated };
}

interface Refused {
  readonly kind: 'refused';
  readonly error: unknown;
}

/** What the rules made of a write that met the record under its lock. */
type Decided = { readonly kind: 'written'; readonly result: WriteResult } | Refused;

interface Locked {
  readonly current: StoredRecord | undefined;
  readonly serverNowMs: number;
  readonly transactionId: string;
  readonly capture: boolean;
}

/**
 * Writes single records. A create, and a replace that names the version, go in one round trip with every condition in the
 * statement; what does not hold, and every other write, takes two: lock and read; store and commit.
 *
 * The states of the first: sent, from where a lost reply leads to the second way, under the same operation id: it waits for what is
 * still under way, and what has not begun finds its condition gone. Those of the second: locking, in which nothing is written yet and
 * every failure says so; committing, in which a lost reply is settled by the transaction's number and the operation id; done. A
 * create that somebody else came before starts again.
 */
export class RecordWriter {
  readonly #entity: Entity;
  readonly #connections: Connections;
  readonly #tables: Tables;
  readonly #trips: SharedTrips<AtOnce, AtOnceOutcome>;

  constructor(options: {
    readonly entity: Entity;
    readonly connections: Connections;
    readonly tables: Tables;
  }) {
    this.#entity = options.entity;
    this.#connections = options.connections;
    this.#tables = options.tables;
    this.#trips = new SharedTrips({
      connections: options.connections,
      send: sendAtOnce,
      left: (cause) => ({ kind: 'lost', cause }),
    });
  }

  /** See `RecordStore.write`. */
  async write(intent: WriteIntent, options: WriteOptions): Promise<WriteResult> {
    const place = this.#place(intent, options.signal);
    const known = await this.#tables.get(this.#entity, this.#connections.one(place));
    const once = atOnce(known, intent, options);
    const outcome = once && (await this.#trips.ride(once, place));
    if (outcome?.kind === 'stored')
      return { record: outcome.record, existed: intent.kind !== 'create', repeated: false };
    const locked = () => this.#writeLocked(known, intent, options);
    const decided =
      outcome?.kind === 'lost' ? await untilAnswered(this.#connections, place, locked) : await locked();
    // What was sent may still be done; of everything but a decision that saw its effect, or ended its chance, nothing follows.
    if (!decided) throw this.#unknown(intent, outcome?.kind === 'lost' ? outcome.cause : undefined);
    if (decided.kind === 'refused') throw decided.error;
    return decided.result;
  }

  async #writeLocked(first: KnownTable, intent: WriteIntent, options: WriteOptions): Promise<Decided> {
    const place = this.#place(intent, options.signal);
    let known = first;
    for (;;) {
      const outcome = await this.#connections.use(
        (session) => this.#attempt(session, known, intent, options),
        place,
      );
      if (outcome.kind === 'written' || outcome.kind === 'refused') return outcome;
      if (outcome.kind === 'layout')
        known = await this.#tables.get(this.#entity, this.#connections.one(place), outcome.layout);
    }
  }

  async #attempt(
    session: Session,
    known: KnownTable,
    intent: WriteIntent,
    options: WriteOptions,
  ): Promise<Decided | { readonly kind: 'raced' } | { readonly kind: 'layout'; readonly layout: number }> {
    const locked = await lock(session, known, intent, options);
    if ('layout' in locked) return { kind: 'layout', layout: locked.layout };
    const decision = this.#decide(locked, intent, options);
    if (decision.kind === 'refused') return decision;
    if (decision.kind === 'done') return { kind: 'written', result: toWriteResult(decision, intent) };
    checkRow(this.#entity, decision.record);
    const store = known.statements.store({ over: locked.current !== undefined, capture: locked.capture });
    const input = rowInput(known.table, decision.record);
    const free = freeing(known, input);
    let answers: readonly StatementResult[];
    try {
      answers = (await session.run([...free, store.bind(input), COMMIT])).slice(free.length);
      session.open = false;
    } catch (error) {
      if (session.broken) await this.#settle(locked.transactionId, intent, options, error);
      else throw error;
      return { kind: 'written', result: toWriteResult(decision, intent) };
    }
    const [stored, commit] = answers;
    if (!committed(commit)) throw this.#unknown(intent, 'COMMIT was answered with a rollback');
    if (affected(stored) === 0) return { kind: 'raced' };
    return { kind: 'written', result: toWriteResult(decision, intent) };
  }

  #decide(
    { current, serverNowMs }: Locked,
    intent: WriteIntent,
    { term }: WriteOptions,
  ): WriteDecision | Refused {
    try {
      return decideWrite(current, intent, { entity: this.#entity, term, serverNowMs });
    } catch (error) {
      return { kind: 'refused', error };
    }
  }

  // Returns when the transaction is known to have committed; throws whatever else is known, or that nothing is.
  async #settle(
    transactionId: string,
    intent: WriteIntent,
    options: WriteOptions,
    cause: unknown,
  ): Promise<void> {
    const { signal, ...place } = this.#place(intent, options.signal);
    const status = await settleCommit(this.#connections, transactionId, { ...place, signal });
    if (status === 'aborted')
      throw new ConnectionError({
        message: 'The connection was lost before the commit; nothing was written',
        cause,
        ...place,
      });
    if (status === 'unknown' || !(await this.#remembers(intent, { ...place, signal })))
      throw this.#unknown(intent, cause);
  }

  // After a failover to a server that lost commits, the number may be another transaction's: the operation id has the last word.
  async #remembers(intent: WriteIntent, place: UseOptions): Promise<boolean> {
    try {
      const { statements } = await this.#tables.get(this.#entity, this.#connections.one(place));
      const [result] = await this.#connections.run([statements.read.bind(intent.key)], place);
      const record = statements.read.rows(result)[0]?.record;
      return record?.operations.some(({ id }) => id === intent.operationId) ?? false;
    } catch {
      return false;
    }
  }

  #unknown(intent: WriteIntent, cause: unknown): UnknownOutcomeError {
    const { operation, entity, key } = this.#place(intent, undefined);
    return new UnknownOutcomeError({
      message: 'The write was sent and its outcome is not known; repeat it with the same operationId',
      operationId: intent.operationId,
      cause,
      operation,
      entity,
      key,
    });
  }

  #place(intent: WriteIntent, signal: AbortSignal | undefined) {
    return { operation: intent.kind, entity: this.#entity.name, key: keyLabel(intent.key), signal };
  }
}

/** What is sent before a record is stored, so that expired rows are not in the way of its unique values. */
export function freeing({ statements }: KnownTable, input: RowInput): readonly BoundStatement[] {
  return statements.freeUnique && input.record.value !== undefined ? [statements.freeUnique.bind(input)] : [];
}

async function lock(
  session: Session,
  { table, statements }: KnownTable,
  intent: WriteIntent,
  { fence, term }: WriteOptions,
): Promise<Locked | { readonly layout: number }> {
  session.open = true;
  const fencing = fenceStatements(fence);
  const answers = await session.run([
    BEGIN,
    ...fencing,
    statements.lock.bind(intent.key),
    statements.moment.bind(undefined),
  ]);
  const capture = passFence(fence, term, answers[2]);
  const [moment] = statements.moment.rows(answers.at(-1));
  if (!moment || moment.layout !== table.layout) return { layout: moment?.layout ?? 0 };
  return {
    current: statements.lock.rows(answers.at(-2))[0],
    serverNowMs: moment.serverNowMs,
    transactionId: moment.transactionId,
    capture,
  };
}
