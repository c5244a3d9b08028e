import {
  type DocumentStore,
  type RecordStore,
  type RelationalStore,
  recordDigest,
  type StoredRecord,
} from '@polyphase/core';
import { type MemoryDocumentStore, memoryDocumentStore, memoryRelationalStore } from '@polyphase/core/memory';
import { manualClock } from '@polyphase/core/testing';
import { describe, expect, it } from 'vitest';
import { Note } from '../../test/virtual-world.ts';
import { Group } from '../phases/group.ts';
import { protocolLimits } from '../protocol-limits.ts';
import { type Comparison, compareStores } from './compare-stores.ts';

const key = { partition: ['a'], id: '1' };

interface Stores {
  readonly cosmos: MemoryDocumentStore;
  readonly postgres: RelationalStore;
}

/** Compares two stores; after each time that somebody has looked at records in Cosmos DB by key, something happens. */
async function compareWhile(
  prepare: (stores: Stores) => Promise<void>,
  afterLook: (stores: Stores) => Promise<void>,
): Promise<Comparison> {
  const clock = manualClock();
  const stores = { cosmos: memoryDocumentStore({ clock }), postgres: memoryRelationalStore({ clock }) };
  await prepare(stores);
  const busy: RecordStore = new Proxy(stores.cosmos.records(Note), {
    get: (target, name) => {
      const member: unknown = Reflect.get(target, name, target);
      if (typeof member !== 'function') return member;
      if (name !== 'readMany') return (...args: unknown[]): unknown => Reflect.apply(member, target, args);
      return async (...args: unknown[]) => {
        const answer: unknown = await Reflect.apply(member, target, args);
        await afterLook(stores);
        return answer;
      };
    },
  });
  const seen: DocumentStore = new Proxy(stores.cosmos, {
    get: (target, name) => (name === 'records' ? () => busy : Reflect.get(target, name, target)),
  });
  const group = new Group({
    entity: Note,
    stores: { cosmos: seen, postgres: stores.postgres },
    clock,
    limits: protocolLimits({}),
    holder: 'me',
    isMember: () => true,
    onPhase: () => undefined,
  });
  const over = new AbortController();
  const { signal } = new AbortController();
  const compared = compareStores(group, { signal, patienceMs: 1_000 }).finally(() => over.abort());
  for (let i = 0; !over.signal.aborted && i < 100; i += 1) await clock.advance(clock.nextMs ?? 1);
  return compared;
}

/** Compares stores in which a record is written each time that somebody has looked at it, and is copied four writes later, or only once. */
async function compareBusy(isCopied: boolean): Promise<Comparison> {
  let written = 0;
  const uncopied: StoredRecord[] = [];
  const write = async ({ cosmos, postgres }: Stores): Promise<void> => {
    written += 1;
    const value = { id: '1', owner: 'a', text: `${written}` };
    const intent = { kind: 'upsert', key, operationId: `${written}`, value } as const;
    uncopied.push((await cosmos.records(Note).write(intent, { term: 1 })).record);
    const copy = written > 4 ? uncopied.shift() : undefined;
    if (copy && (isCopied || written === 5)) await postgres.records(Note).apply([{ record: copy }]);
  };
  const fiveTimes = async (stores: Stores): Promise<void> => {
    for (let i = 0; i < 5; i += 1) await write(stores);
  };
  return compareWhile(fiveTimes, write);
}

/** Compares stores from one of which another program removed the document; it may be back after the first look. */
async function compareRemoved(isBack: boolean): Promise<Comparison> {
  let looks = 0;
  let record: StoredRecord | undefined;
  return compareWhile(
    async ({ cosmos, postgres }) => {
      const value = { id: '1', owner: 'a', text: 'x' };
      const intent = { kind: 'create', key, operationId: 'c', value } as const;
      ({ record } = await cosmos.records(Note).write(intent, { term: 1 }));
      await postgres.records(Note).apply([{ record }]);
      await cosmos.foreign.remove(Note, key);
    },
    async ({ cosmos }) => {
      looks += 1;
      // A look reads the authority before and after the copy.
      if (looks === 2 && isBack && record) await cosmos.records(Note).apply([{ record }]);
    },
  );
}

describe('a document that is gone without a tombstone', () => {
  it('was removed, when two looks find it so', async () => {
    expect((await compareRemoved(false)).differences).toEqual([{ key, kind: 'removed' }]);
  });

  it('is no difference when it is back at the second look', async () => {
    expect((await compareRemoved(true)).differences).toEqual([]);
  });
});

/** Compares stores of which Cosmos DB holds a tombstone: of a record that was never copied, of one whose delete was not, or of one copied. */
async function compareDeleted(copied: 'nothing' | 'the record' | 'the delete'): Promise<Comparison> {
  return compareWhile(
    async ({ cosmos, postgres }) => {
      const value = { id: '1', owner: 'a', text: 'x' };
      const create = { kind: 'create', key, operationId: 'c', value } as const;
      const { record } = await cosmos.records(Note).write(create, { term: 1 });
      if (copied !== 'nothing') await postgres.records(Note).apply([{ record }]);
      const remove = { kind: 'delete', key, operationId: 'd' } as const;
      const deleted = await cosmos.records(Note).write(remove, { term: 1, tombstones: true });
      if (copied === 'the delete') await postgres.records(Note).apply([{ record: deleted.record }]);
    },
    async () => undefined,
  );
}

describe('a tombstone of the authority', () => {
  it.each(['nothing', 'the record'] as const)('lags where %s is all that was copied', async (copied) => {
    expect((await compareDeleted(copied)).differences).toEqual([{ key, kind: 'lag' }]);
  });

  it('is no difference once it is copied', async () => {
    expect((await compareDeleted('the delete')).differences).toEqual([]);
  });
});

describe('a record that is written all the time', () => {
  it('is no difference while its copy follows', async () => {
    expect((await compareBusy(true)).differences).toEqual([]);
  });

  it('lags where its copy stands still', async () => {
    expect((await compareBusy(false)).differences).toEqual([{ key, kind: 'lag' }]);
  });
});

/** Compares stores whose copies of one record expire then, in seconds from now; undefined: never, null: there is no copy. */
async function compareExpiring(
  cosmosS: number | undefined | null,
  postgresS: number | undefined | null,
): Promise<Comparison> {
  const value = { id: '1', owner: 'a', text: 'x' };
  const copyOf = (seconds: number | undefined): StoredRecord => ({
    key,
    version: { term: 1, counter: 7 },
    value,
    digest: recordDigest(value),
    operations: [],
    expiresAtMs: seconds === undefined ? undefined : Date.UTC(2026, 0, 1) + seconds * 1_000,
  });
  return compareWhile(
    async ({ cosmos, postgres }) => {
      if (cosmosS !== null) await cosmos.records(Note).apply([{ record: copyOf(cosmosS) }]);
      if (postgresS !== null) await postgres.records(Note).apply([{ record: copyOf(postgresS) }]);
    },
    async () => undefined,
  );
}

describe('a record that expires', () => {
  it.each<[string, number | undefined | null, number | undefined | null, string | undefined]>([
    ['at moments a second apart is the same', 60, 61, undefined],
    ['at moments further apart is a difference', 60, 62, 'expiry'],
    ['in one store only is a difference', 60, undefined, 'expiry'],
    ['in the other store only is a difference', undefined, 60, 'expiry'],
    ['and has done so in one store, and is about to in the other, is no difference', null, 0.5, undefined],
    ['and is about to in one store, and has in the other, is no difference', 0.5, -0.5, undefined],
    ['and was never copied back is a difference', null, 60, 'removed'],
    ['has done so in both is no difference', null, -60, undefined],
    ['and lives on in one store is a difference', undefined, -60, 'expiry'],
  ])('%s', async (_, cosmosS, postgresS, kind) => {
    const { differences } = await compareExpiring(cosmosS, postgresS);
    expect(differences).toEqual(kind === undefined ? [] : [{ key, kind }]);
  });
});
