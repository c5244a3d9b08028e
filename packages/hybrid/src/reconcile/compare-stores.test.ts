import type { DocumentStore, RecordStore, StoredRecord } from '@polyphase/core';
import { memoryDocumentStore, memoryRelationalStore } from '@polyphase/core/memory';
import { manualClock } from '@polyphase/core/testing';
import { describe, expect, it } from 'vitest';
import { Note } from '../../test/virtual-world.ts';
import { Group } from '../phases/group.ts';
import { protocolLimits } from '../protocol-limits.ts';
import { type Comparison, compareStores } from './compare-stores.ts';

const key = { partition: ['a'], id: '1' };

/** Compares stores in which a record is written each time that somebody has looked at it, and is copied four writes later, or only once. */
async function compareBusy(isCopied: boolean): Promise<Comparison> {
  const clock = manualClock();
  const cosmos = memoryDocumentStore({ clock });
  const postgres = memoryRelationalStore({ clock });
  const records = cosmos.records(Note);
  let written = 0;
  const uncopied: StoredRecord[] = [];
  const write = async (): Promise<void> => {
    written += 1;
    const value = { id: '1', owner: 'a', text: `${written}` };
    const intent = { kind: 'upsert', key, operationId: `${written}`, value } as const;
    uncopied.push((await records.write(intent, { term: 1 })).record);
    const copy = written > 4 ? uncopied.shift() : undefined;
    if (copy && (isCopied || written === 5)) await postgres.records(Note).apply([{ record: copy }]);
  };
  for (let i = 0; i < 5; i += 1) await write();
  const busy: RecordStore = new Proxy(records, {
    get: (target, name) => {
      const member: unknown = Reflect.get(target, name, target);
      if (typeof member !== 'function') return member;
      if (name !== 'readMany') return (...args: unknown[]): unknown => Reflect.apply(member, target, args);
      return async (...args: unknown[]) => {
        const answer: unknown = await Reflect.apply(member, target, args);
        await write();
        return answer;
      };
    },
  });
  const seen: DocumentStore = new Proxy(cosmos, {
    get: (target, name) => (name === 'records' ? () => busy : Reflect.get(target, name, target)),
  });
  const group = new Group({
    entity: Note,
    stores: { cosmos: seen, postgres },
    clock,
    limits: protocolLimits({}),
    holder: 'me',
    holdsRow: () => true,
    onPhase: () => undefined,
  });
  const over = new AbortController();
  const { signal } = new AbortController();
  const compared = compareStores(group, { signal, patienceMs: 1_000 }).finally(() => over.abort());
  for (let i = 0; !over.signal.aborted && i < 100; i += 1) await clock.advance(clock.nextMs ?? 1);
  return compared;
}

describe('a record that is written all the time', () => {
  it('is no difference while its copy follows', async () => {
    expect((await compareBusy(true)).differences).toEqual([]);
  });

  it('lags where its copy stands still', async () => {
    expect((await compareBusy(false)).differences).toEqual([{ key, kind: 'lag' }]);
  });
});
