import {
  decodeVersion,
  type RecordVersion,
  recordDigest,
  type StoredRecord,
  type WriteIntent,
  type WriteOptions,
} from '@polyphase/core';
import type { BoundStatement, StatementResult } from './batch.ts';
import type { Session } from './session.ts';
import { shareGroup } from './sql/share-group.ts';
import { rowInput } from './sql/store-record.ts';
import type { OnceRow } from './sql/write-once.ts';
import { checkRow } from './table.ts';
import type { KnownTable } from './tables.ts';
import { BEGIN, COMMIT, committed } from './transaction.ts';

/** A write that needs one round trip: the whole transaction, and how its answers are read. */
export interface AtOnce {
  readonly statements: readonly BoundStatement[];
  /** The record as it was stored; undefined when a condition did not hold, and nothing was. */
  readonly record: (answers: readonly StatementResult[]) => StoredRecord | undefined;
}

/** What became of it. `lost`: the connection broke after it was sent, so that nothing is known. */
export type AtOnceOutcome =
  | { readonly kind: 'stored'; readonly record: StoredRecord }
  | { readonly kind: 'refused' }
  | { readonly kind: 'lost'; readonly cause: unknown };

type ValueIntent = Extract<WriteIntent, { readonly value: StoredRecord['value'] }>;

/** The write as one round trip, if it can be one: a create, or a replace that names the version it replaces. */
export function atOnce(
  { table, statements }: KnownTable,
  intent: WriteIntent,
  { term, fence }: WriteOptions,
): AtOnce | undefined {
  const target = targetOf(intent, term);
  if (!target) return undefined;
  const { intent: wanted, expected, whole } = target;
  const statement = statements.once({
    kind: expected ? 'replace' : 'create',
    fenced: fence !== undefined,
    whole,
  });
  if (!statement) return undefined;
  const { key, value, operationId } = wanted;
  const wish: StoredRecord = {
    key,
    version: { term, counter: expected ? expected.counter + 1 : 0 },
    value,
    digest: recordDigest(value),
    operations: [],
  };
  checkRow(table.entity, wish);
  const bound = statement.bind({ ...rowInput(table, wish), operationId, fence, expected });
  const share = fence === undefined ? [] : [shareGroup.bind(fence)];
  return {
    statements: [BEGIN, ...share, bound, COMMIT],
    record: (answers) => {
      const made: OnceRow | undefined = statement.rows(answers.at(-2))[0];
      return made && committed(answers.at(-1)) ? { ...wish, ...made } : undefined;
    },
  };
}

// A version of a later term, and one that no row can have, are for the rules to refuse.
function targetOf(
  intent: WriteIntent,
  term: number,
):
  | { readonly intent: ValueIntent; readonly expected: RecordVersion | undefined; readonly whole: boolean }
  | undefined {
  if (intent.kind === 'create') return { intent, expected: undefined, whole: true };
  if (intent.kind !== 'replace' && intent.kind !== 'upsert') return undefined;
  if (intent.ifVersion === undefined) return undefined;
  const { etag, ...expected } = decodeVersion(intent.ifVersion);
  if (etag !== undefined || expected.term === 0 || expected.term > term) return undefined;
  return { intent, expected, whole: intent.dropUnknown === true };
}

/** Sends a write that needs one round trip. */
export async function sendAtOnce(session: Session, { statements, record }: AtOnce): Promise<AtOnceOutcome> {
  session.open = true;
  let answers: readonly StatementResult[];
  try {
    answers = await session.run(statements);
  } catch (cause) {
    if (session.broken) return { kind: 'lost', cause };
    throw cause;
  }
  session.open = false;
  const stored = record(answers);
  return stored ? { kind: 'stored', record: stored } : { kind: 'refused' };
}
