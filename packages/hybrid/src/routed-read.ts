import {
  type LiveRecord,
  liveRecord,
  type PartitionLevel,
  type QueryPlan,
  type RecordKey,
  type RecordStore,
  type StoredRecord,
} from '@polyphase/core';
import { shapeOf } from './shadow/query-shape.ts';

/** A read that any store can be asked. */
export interface RoutedRead<Answer> {
  /** What reads of its kind are called where they are counted; it names fields, and never a value. */
  readonly shape: () => string;
  /** The partitions that it reads; undefined: it may reach into every one. */
  readonly partitions: readonly (readonly PartitionLevel[])[] | undefined;
  readonly ask: (records: RecordStore, signal: AbortSignal | undefined) => Promise<Answer>;
  /** An answer as readers are told of it. */
  readonly listed: (answer: Answer) => readonly (LiveRecord | undefined)[];
}

/** The read of one key. */
export function readOf(key: RecordKey): RoutedRead<StoredRecord | undefined> {
  return {
    shape: () => 'get',
    partitions: [key.partition],
    ask: (records, signal) => records.read(key, { signal }),
    listed: (answer) => [liveRecord(answer)],
  };
}

/** The read of many keys, tombstones included. */
export function readManyOf(keys: readonly RecordKey[]): RoutedRead<readonly (StoredRecord | undefined)[]> {
  return {
    ...manyOf(keys),
    ask: (records, signal) => records.readMany(keys, { signal }),
    listed: (answer) => answer.map(liveRecord),
  };
}

/** The read of many keys, as far as they are live. */
export function getManyOf(keys: readonly RecordKey[]): RoutedRead<readonly (LiveRecord | undefined)[]> {
  return {
    ...manyOf(keys),
    ask: (records, signal) => records.getMany(keys, { signal }),
    listed: (answer) => answer,
  };
}

/** The read of what a query finds. */
export function queryOf(plan: QueryPlan): RoutedRead<readonly LiveRecord[]> {
  return {
    shape: () => shapeOf(plan),
    partitions: plan.partition && [plan.partition],
    ask: (records, signal) => records.query(plan, { signal }),
    listed: (answer) => answer,
  };
}

function manyOf(keys: readonly RecordKey[]) {
  return { shape: () => 'getMany', partitions: keys.map(({ partition }) => partition) };
}
