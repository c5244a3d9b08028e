import {
  decodeVersion,
  lifetimeOf,
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
import { command } from './statement.ts';
import { checkRow } from './table.ts';
import type { KnownTable } from './tables.ts';
import { BEGIN, COMMIT, committed } from './transaction.ts';

/** A write that needs one round trip, with every condition in its statement. */
export interface AtOnce {
  /** The group that it is fenced by. */
  readonly fence: string | undefined;
  readonly statement: BoundStatement;
  /** The record as it was stored; undefined when a condition did not hold, and nothing was. */
  readonly record: (answer: StatementResult | undefined) => StoredRecord | undefined;
}

/** What became of it. `refused`: nothing was stored, whatever the reason. `lost`: nothing is known, since it was sent and not answered. */
export type AtOnceOutcome =
  | { readonly kind: 'stored'; readonly record: StoredRecord }
  | { readonly kind: 'refused' }
  | { readonly kind: 'lost'; readonly cause: unknown };

type ValueIntent = Extract<WriteIntent, { readonly value: StoredRecord['value'] }>;

/** The write as one statement, if it can be one: a create, or a replace that names the version it replaces. */
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
  const lifetimeS = lifetimeOf(table.entity, value);
  return {
    fence,
    statement: statement.bind({ ...rowInput(table, wish), operationId, fence, expected, lifetimeS }),
    record: (answer) => {
      const made = statement.rows(answer)[0];
      return made && { ...wish, ...made };
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

// Those who share a transaction hold their rows until the last has its own, so none may wait long for somebody else's, or for one who
// waits for them. Who waits in vain makes them all go alone, each with the patience of a call.
const HURRY = command("set local lock_timeout = '100ms'");

/**
 * Sends writes in one transaction and one round trip. When the server refuses one of them, none is stored, and all are told `refused`:
 * each is then to be done by itself.
 */
export async function sendAtOnce(
  session: Session,
  writes: readonly AtOnce[],
): Promise<readonly AtOnceOutcome[]> {
  const fences = new Set(writes.map(({ fence }) => fence).filter((it) => it !== undefined));
  const shares = [...fences].map((fence) => shareGroup.bind(fence));
  const lead = writes.length > 1 ? [BEGIN, HURRY, ...shares] : [BEGIN, ...shares];
  session.open = true;
  let answers: readonly StatementResult[];
  try {
    answers = await session.run([...lead, ...writes.map(({ statement }) => statement), COMMIT]);
  } catch (cause) {
    return writes.map(() => (session.broken ? { kind: 'lost', cause } : { kind: 'refused' }));
  }
  session.open = false;
  const done = committed(answers.at(-1));
  return writes.map(({ record }, i) => {
    const stored = done ? record(answers[lead.length + i]) : undefined;
    return stored ? { kind: 'stored', record: stored } : { kind: 'refused' };
  });
}
