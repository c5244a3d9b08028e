import { ConnectionError, UnknownOutcomeError } from '../errors.ts';
import type { RecordStore, WriteResult } from '../record-store.ts';

/** A call of a record store that can be made to fail. */
export type FaultyCall = 'read' | 'readMany' | 'getMany' | 'query' | 'write' | 'apply' | 'count';

/**
 * Decides about each call in turn: nothing happens to it, it fails before it has an effect, or its effect takes place and its
 * reply is lost.
 *
 * @param count - how many calls of that name came before
 */
export type FaultPlan = (call: FaultyCall, count: number) => 'before' | 'after' | undefined;

/**
 * A record store whose calls fail as planned: before the effect with `ConnectionError`, after it with `UnknownOutcomeError` for a
 * write and `ConnectionError` for all else. Scans are passed on as they are.
 *
 * @example
 * ```ts
 * import type { RecordStore } from '@polyphase/core';
 * import { faultyRecords } from '@polyphase/core/testing';
 *
 * declare const records: RecordStore;
 * const flaky = faultyRecords(records, (call, count) => (call === 'write' && count === 0 ? 'after' : undefined));
 * ```
 */
export function faultyRecords(store: RecordStore, plan: FaultPlan): RecordStore {
  const counts = new Map<FaultyCall, number>();
  const call = async <Answer>(
    name: FaultyCall,
    run: () => Promise<Answer>,
    operationId?: string,
  ): Promise<Answer> => {
    const count = counts.get(name) ?? 0;
    counts.set(name, count + 1);
    const fault = plan(name, count);
    if (fault === 'before')
      throw new ConnectionError({ message: 'The fault plan refused the call', operation: name });
    const answer = await run();
    if (fault === undefined) return answer;
    if (operationId === undefined)
      throw new ConnectionError({ message: 'The fault plan lost the reply', operation: name });
    throw new UnknownOutcomeError({ message: 'The fault plan lost the reply', operation: name, operationId });
  };
  return {
    read: (key, options) => call('read', () => store.read(key, options)),
    readMany: (keys, options) => call('readMany', () => store.readMany(keys, options)),
    getMany: (keys, options) => call('getMany', () => store.getMany(keys, options)),
    query: (query, options) => call('query', () => store.query(query, options)),
    write: (intent, options): Promise<WriteResult> =>
      call('write', () => store.write(intent, options), intent.operationId),
    apply: (copies, options) => call('apply', () => store.apply(copies, options)),
    scan: (options) => store.scan(options),
    count: (options) => call('count', () => store.count(options)),
  };
}
