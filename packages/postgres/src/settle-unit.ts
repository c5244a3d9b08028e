import {
  ConnectionError,
  type Entity,
  type UnitOptions,
  UnknownOutcomeError,
  type WriteResult,
} from '@polyphase/core';
import type { Connections, UseOptions } from './connections.ts';
import { settleCommit } from './settle.ts';
import { type TransactionPlace, transactionPlace } from './sql/transaction-place.ts';
import type { Tables } from './tables.ts';

/** One write of a unit of work. */
export interface UnitWrite {
  readonly entity: Entity;
  readonly result: WriteResult;
}

/** A unit of work whose COMMIT was sent and not answered. */
export interface LostUnit {
  /** Number of its transaction, once it had one. */
  readonly transactionId: string | undefined;
  readonly written: readonly UnitWrite[];
  /** Where SQL of the application's own was run, if any was. */
  readonly ranSqlAt: TransactionPlace | undefined;
  readonly options: UnitOptions;
}

interface Parts {
  readonly connections: Connections;
  readonly tables: Tables;
}

/**
 * Returns when the unit was committed, or had nothing to commit.
 *
 * @throws `ConnectionError` when it was rolled back, `UnknownOutcomeError` when that cannot be found out
 */
export async function settleUnit(parts: Parts, unit: LostUnit, place: UseOptions): Promise<void> {
  const { transactionId, ranSqlAt } = unit;
  const { operationId, signal } = unit.options;
  if (transactionId === undefined || (!firstOf(unit) && !ranSqlAt)) return;
  const repeat = ranSqlAt
    ? 'look at what is there before you repeat it: no operation id keeps its SQL from taking effect twice'
    : 'repeat it with the same operationId';
  const message = `The unit of work was sent and its outcome is not known; ${repeat}`;
  if (signal?.aborted === true) throw new UnknownOutcomeError({ message, operationId });
  const status = await settleCommit(parts.connections, transactionId, place);
  if (status === 'aborted')
    throw new ConnectionError({ message: 'The connection was lost before the commit; nothing was written' });
  let cause: unknown;
  // After a failover to a server that lost commits, the number may be another transaction's.
  const isOurs =
    status === 'committed' &&
    (await isThere(parts, unit, place).catch((error: unknown) => {
      cause = error;
      return false;
    }));
  if (!isOurs) throw new UnknownOutcomeError({ message, operationId, cause });
}

// The records have the last word; where there are none, the server must be the one that gave the number.
async function isThere({ connections, tables }: Parts, unit: LostUnit, place: UseOptions): Promise<boolean> {
  const first = firstOf(unit);
  if (!first) {
    const [now] = await connections.run([transactionPlace.bind(undefined)], place);
    return transactionPlace.rows(now)[0]?.server === unit.ranSqlAt?.server;
  }
  const { statements } = await tables.get(first.entity, connections.one(place));
  const [answer] = await connections.run([statements.read.bind(first.result.record.key)], place);
  const made = first.result.record.operations[0]?.id;
  return statements.read.rows(answer)[0]?.record?.operations.some(({ id }) => id === made) === true;
}

function firstOf({ written }: LostUnit): UnitWrite | undefined {
  return written.find(({ result }) => !result.repeated);
}
