import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { anyJson, anyObject } from '../test/fixtures/arbitrary-json.ts';
import { InvalidDataError, InvalidOptionsError } from './errors.ts';
import { canonicalJson, type JsonObject, jsonEquals } from './json.ts';
import { memoryDocumentStore, memoryRelationalStore } from './memory/index.ts';
import { recordDigest } from './record.ts';
import { repositoryIn } from './store-repository.ts';
import { Movie, Setting, Task } from './testing/entities.ts';

const key = { tenantId: 't1', id: 'a' };
// Names that the schema declares, or the SDK reserves, are left to the cases that are about them.
const taken = new Set([
  'id',
  'scope',
  'value',
  '_h',
  '_rid',
  '_self',
  '_etag',
  '_ts',
  '_attachments',
  '_lsn',
]);

function withKey(extra: JsonObject, value: JsonObject): JsonObject {
  const all: Record<string, unknown> = {};
  for (const [name, field] of [
    ...Object.entries(extra).filter(([own]) => !taken.has(own)),
    ...Object.entries(value),
  ])
    Object.defineProperty(all, name, { value: field, enumerable: true, configurable: true, writable: true });
  return all as JsonObject;
}

describe.each([
  ['documents', () => memoryDocumentStore()],
  ['rows', () => memoryRelationalStore()],
] as const)('a repository over memory %s', (_, make) => {
  it('get and then replace is the identity, for every value that is taken', async () => {
    await fc.assert(
      fc.asyncProperty(anyObject, anyJson, async (extra, any) => {
        const store = make();
        const settings = repositoryIn(store, Setting);
        const value = withKey(extra, { id: 'a', scope: 1, value: any });
        await settings.create(value as typeof value & { id: string; scope: number });
        const first = await settings.get({ id: 'a', scope: 1 });
        if (!first) throw new Error('it was created');
        expect(jsonEquals(first.value as JsonObject, value)).toBe(true);
        await settings.replace(first.value, { ifVersion: first.version });
        const second = await settings.get({ id: 'a', scope: 1 });
        expect(canonicalJson(second?.value as JsonObject)).toBe(canonicalJson(value));
        const stored = await store.records(Setting).read({ partition: [1], id: 'a' });
        expect(stored?.digest).toBe(recordDigest(value));
      }),
      { numRuns: 60 },
    );
  });
});

describe('StoreRepository', () => {
  it('refuses patches that JSON would lose', async () => {
    const movies = repositoryIn(memoryDocumentStore(), Movie);
    await movies.create({ id: 'm', genre: 'g', title: 't' });
    const bad = { extra: new Date(0) } as object;
    await expect(movies.patch({ id: 'm', genre: 'g' }, bad)).rejects.toThrow(InvalidDataError);
    for (const patch of [null, [], 'text'])
      await expect(movies.patch({ id: 'm', genre: 'g' }, patch as object)).rejects.toThrow(InvalidDataError);
  });

  it('refuses operation ids that some store cannot keep', async () => {
    const tasks = repositoryIn(memoryDocumentStore(), Task);
    for (const operationId of ['', 'x'.repeat(129), 'é', 'a\n'])
      await expect(tasks.create(key, { operationId })).rejects.toThrow(InvalidOptionsError);
    await tasks.create(key, { operationId: 'x'.repeat(128) });
  });

  it('stops a call whose signal is aborted, before it writes', async () => {
    const tasks = repositoryIn(memoryDocumentStore(), Task);
    const reason = new Error('enough');
    const signal = AbortSignal.abort(reason);
    await expect(tasks.create(key, { signal })).rejects.toBe(reason);
    await expect(tasks.get(key, { signal })).rejects.toBe(reason);
    await expect(tasks.query({}, { signal })).rejects.toBe(reason);
    expect(await tasks.get(key)).toBeUndefined();
  });

  it('asks for the next page only when it is wanted', async () => {
    const store = memoryDocumentStore();
    const tasks = repositoryIn(store, Task);
    for (let i = 0; i < 9; i += 1) await tasks.create({ tenantId: 't1', id: `n${i}` });
    const seen: string[] = [];
    for await (const { value } of tasks.iterate({ limit: 2 })) {
      seen.push(value.id);
      if (seen.length === 4) await tasks.delete({ tenantId: 't1', id: 'n5' });
    }
    expect(seen).toEqual(['n0', 'n1', 'n2', 'n3', 'n4', 'n6', 'n7', 'n8']);
  });
});
