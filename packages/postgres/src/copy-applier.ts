import {
  ConnectionError,
  type CopyOptions,
  type CopyOutcome,
  type Entity,
  FencedError,
  keyText,
  partitionOf,
  type RecordCopy,
  type RecordKey,
  type StoredRecord,
  TransactionConflictError,
  UnknownOutcomeError,
} from '@polyphase/core';
import type { BoundStatement, StatementResult } from './batch.ts';
import { type Connections, placeOf, type UseOptions } from './connections.ts';
import { CopyPage } from './copy-page.ts';
import { fenceStatements } from './fence.ts';
import { serverError, toPolyphaseError } from './postgres-errors.ts';
import type { Session } from './session.ts';
import { settleCommit } from './settle.ts';
import { advanceCheckpoint } from './sql/advance-checkpoint.ts';
import { appendJournal } from './sql/append-journal.ts';
import { rowsInput, type StoredKey } from './sql/insert-records.ts';
import { readControl } from './sql/read-control.ts';
import { resolveJournal } from './sql/resolve-journal.ts';
import { command } from './statement.ts';
import type { KnownTable, Tables } from './tables.ts';
import { BEGIN, COMMIT, committed } from './transaction.ts';

const SAVEPOINT = command('savepoint hyb_rows');
const RELEASE = command('release savepoint hyb_rows');
const ROLLBACK_TO = command('rollback to savepoint hyb_rows');

/** Fewest new rows that are worth a COPY. */
const WORTH_COPYING = 20;

/** What rows are refused with: their values, a constraint, a limit. */
const REFUSED = /^(22|23|54)/;

/** What COPY is refused with beside that: it knows no row-level security. */
const REFUSED_COPY = /^(22|23|54|0A)/;

interface Work {
  readonly session: Session;
  readonly known: KnownTable;
  readonly page: CopyPage;
}

interface Group {
  readonly records: readonly StoredRecord[];
  readonly over: boolean;
}

/**
 * Applies pages of copies: locks the rows that are there, decides in memory, stores all that is newer in two statements, and
 * commits it with checkpoint and journal.
 *
 * A row that the table refuses must not sink its page: the page is halved until the row is alone. A unique value that is taken
 * (swapped values arrive out of order) is stored all the same, outside of the unique indexes, and brought back into them when the
 * value is free; any other refusal becomes a dead letter, which the next copy of the key that is stored closes.
 */
export class CopyApplier {
  readonly #entity: Entity;
  readonly #connections: Connections;
  readonly #tables: Tables;

  constructor(options: {
    readonly entity: Entity;
    readonly connections: Connections;
    readonly tables: Tables;
  }) {
    this.#entity = options.entity;
    this.#connections = options.connections;
    this.#tables = options.tables;
  }

  /** See `RecordStore.apply`. */
  async apply(copies: readonly RecordCopy[], options: CopyOptions): Promise<readonly CopyOutcome[]> {
    const place: UseOptions = { operation: 'apply', entity: this.#entity.name, signal: options.signal };
    let known = await this.#tables.get(this.#entity, this.#connections.one(place));
    for (;;) {
      const page = new CopyPage(known.table, copies);
      const layout = await this.#connections.use(
        (session) => this.#page({ session, known, page }, options, place),
        place,
      );
      if (layout === undefined) {
        await this.#endClashes(known, place);
        return page.outcomes;
      }
      known = await this.#tables.get(this.#entity, this.#connections.one(place), layout);
    }
  }

  // Answers with the table's layout when it is another than ours: nothing was stored then.
  async #page(work: Work, options: CopyOptions, place: UseOptions): Promise<number | undefined> {
    const { session, known, page } = work;
    session.open = true;
    const { checkpoint, judgedIn } = options;
    const fence = fenceStatements(judgedIn?.group);
    const advance = checkpoint ? [advanceCheckpoint(checkpoint).bind(checkpoint)] : [];
    const lock = known.statements.lockMany.bind(page.locks);
    const asked = session.run([BEGIN, ...fence, ...advance, lock, known.statements.moment.bind(undefined)]);
    page.makeRows();
    const answers = await asked;
    if (judgedIn && readControl.rows(answers[2])[0]?.term !== judgedIn.term)
      throw new TransactionConflictError({
        message: `The authority of term ${judgedIn.term} has moved on; look again`,
        key: judgedIn.group,
      });
    const [moment] = known.statements.moment.rows(answers.at(-1));
    if (!moment || moment.layout !== known.table.layout) return moment?.layout ?? 0;
    if (checkpoint && answers[fence.length + 1]?.rows.length !== 1)
      throw new FencedError({
        message: `The checkpoint is not at ${checkpoint.expected}, or the lease was lost`,
        key: checkpoint.name,
      });
    await this.#storeAll(work, known.statements.lockMany.rows(answers.at(-2)));
    await this.#commit(work, options, moment.transactionId, place);
    return undefined;
  }

  async #storeAll(work: Work, locked: readonly StoredRecord[]): Promise<void> {
    const { session, known, page } = work;
    for (let rows = locked; ; ) {
      const { over, fresh } = page.decide(rows);
      if (over.length === 0 && fresh.length === 0) return;
      const asked = [...over, ...fresh].map(({ key }) => keyText(key));
      const groups = [
        { records: over, over: true },
        { records: fresh, over: false },
      ];
      const stored = (await this.#copy(work, over, fresh)) ?? (await this.#storeOrSplit(work, groups));
      // Somebody else came first with a key: decide again about what is there now.
      const raced = new Set(asked.filter((text) => !stored.has(text)));
      if (raced.size === 0) return;
      page.reopen(raced);
      const lock = known.statements.lockMany.bind(page.locks);
      rows = known.statements.lockMany.rows((await session.run([lock]))[0]);
    }
  }

  // The key texts that were stored, or undefined: COPY is not worth it, or cannot be had (row-level security), or a row was refused,
  // or somebody else came first with a key; statements that name their rows find out.
  async #copy(
    { session, page, known: { table, statements } }: Work,
    over: readonly StoredRecord[],
    fresh: readonly StoredRecord[],
  ): Promise<ReadonlySet<string> | undefined> {
    if (fresh.length < WORTH_COPYING) return undefined;
    const update =
      over.length > 0 ? [statements.updateMany.bind(rowsInput(table, page.rowsOf(over), false))] : [];
    const stores = [...update, statements.copyMany(page.rowsOf(fresh))];
    const answers = await unlessRefused(session, stores, REFUSED_COPY);
    if ('error' in answers) return undefined;
    const updated = update.length > 0 ? statements.updateMany.rows(answers.results[0]).map(textOf) : [];
    return new Set([...updated, ...fresh.map(({ key }) => keyText(key))]);
  }

  // The key texts that were stored or set aside.
  async #storeOrSplit(work: Work, groups: readonly Group[]): Promise<ReadonlySet<string>> {
    const stored = await this.#try(work, groups, false);
    if (stored.kind === 'stored') return stored.keys;
    const records = groups.flatMap(({ records: some, over }) => some.map((record) => ({ record, over })));
    const [first] = records;
    if (records.length === 1 && first) return this.#storeOne(work, groups, first.record, stored.error);
    const half = Math.ceil(records.length / 2);
    const done = new Set<string>();
    for (const part of [records.slice(0, half), records.slice(half)]) {
      const some = [true, false].map((over) => ({
        records: part.filter((it) => it.over === over).map(({ record }) => record),
        over,
      }));
      for (const key of await this.#storeOrSplit(work, some)) done.add(key);
    }
    return done;
  }

  async #storeOne(
    work: Work,
    groups: readonly Group[],
    record: StoredRecord,
    error: unknown,
  ): Promise<ReadonlySet<string>> {
    let refusal = error;
    if (serverError(error)?.code === '23505') {
      const stored = await this.#try(work, groups, true);
      if (stored.kind === 'stored') return stored.keys;
      refusal = stored.error;
    }
    work.page.reject(record, toPolyphaseError(refusal, {}).message);
    return new Set([keyText(record.key)]);
  }

  async #try(
    { session, page, known: { table, statements } }: Work,
    groups: readonly Group[],
    clash: boolean,
  ): Promise<
    | { readonly kind: 'stored'; readonly keys: ReadonlySet<string> }
    | { readonly kind: 'refused'; readonly error: unknown }
  > {
    const stores = groups
      .filter(({ records }) => records.length > 0)
      .map(({ records, over }) =>
        (over ? statements.updateMany : statements.insertMany).bind(
          rowsInput(table, page.rowsOf(records), clash),
        ),
      );
    const answers = await unlessRefused(session, stores);
    if ('error' in answers) return { kind: 'refused', error: answers.error };
    const records = groups.flatMap((group) => group.records);
    // As many as were asked for: then which they were need not be read.
    if (answers.results.reduce((sum, { rows }) => sum + rows.length, 0) === records.length)
      return { kind: 'stored', keys: new Set(records.map(({ key }) => keyText(key))) };
    const keys = answers.results.flatMap((answer) => statements.insertMany.rows(answer));
    return { kind: 'stored', keys: new Set(keys.map(textOf)) };
  }

  async #commit(
    { session, page }: Work,
    options: CopyOptions,
    transactionId: string,
    place: UseOptions,
  ): Promise<void> {
    const journal = [...(options.journal ?? []), ...page.journal];
    const resolved = resolveJournal.bind({
      entity: this.#entity.name,
      kind: 'dead-letter',
      keys: page.applied,
    });
    const append = journal.length > 0 ? [appendJournal.bind(journal)] : [];
    let answers: readonly StatementResult[] = [];
    try {
      answers = await session.run([resolved, ...append, COMMIT]);
      session.open = false;
    } catch (error) {
      if (!session.broken || place.signal?.aborted === true) throw error;
      const status = await settleCommit(this.#connections, transactionId, place);
      if (status === 'committed') return;
      throw status === 'aborted'
        ? new ConnectionError({
            message: 'The connection was lost before the commit; nothing was written',
            cause: error,
            ...placeOf(place),
          })
        : unknown(error);
    }
    if (!committed(answers.at(-1))) throw unknown(undefined);
  }

  // Rows whose unique value was taken try again after each page, one by one: each is its own transaction.
  async #endClashes({ statements }: KnownTable, place: UseOptions): Promise<void> {
    if (!this.#entity.indexes.some(({ unique }) => unique !== undefined)) return;
    try {
      const [result] = await this.#connections.run([statements.clashes.bind(undefined)], place);
      const clashing = statements.clashes.rows(result);
      if (clashing.length > 0 && this.#entity.ttl !== undefined)
        await this.#connections.run([statements.freeExpired.bind(undefined)], place);
      for (const key of clashing) await this.#endClash(statements.endClash.bind(key), place);
    } catch {
      // The page is committed; the next one tries again, and the gate shows what is left.
    }
  }

  async #endClash(bound: Parameters<Session['run']>[0][number], place: UseOptions): Promise<void> {
    await this.#connections.use(async (session) => {
      try {
        await session.run([bound]);
      } catch (error) {
        if (serverError(error)?.code !== '23505') throw error;
      }
    }, place);
  }
}

/** Runs statements inside a transaction; what the server refuses about their rows takes back these statements alone. */
async function unlessRefused(
  session: Session,
  statements: readonly BoundStatement[],
  refused = REFUSED,
): Promise<{ readonly results: readonly StatementResult[] } | { readonly error: unknown }> {
  try {
    const answers = await session.run([SAVEPOINT, ...statements, RELEASE]);
    return { results: answers.slice(1, -1) };
  } catch (error) {
    if (session.broken || !refused.test(serverError(error)?.code ?? '')) throw error;
    await session.run([ROLLBACK_TO]);
    return { error };
  }
}

function textOf({ pk, id }: StoredKey): string {
  const key: RecordKey = { partition: partitionOf(pk), id };
  return keyText(key);
}

function unknown(cause: unknown): UnknownOutcomeError {
  return new UnknownOutcomeError({
    message:
      'The copies were sent and it is not known whether they were stored; apply them again, which is safe',
    operationId: 'apply',
    cause,
  });
}
