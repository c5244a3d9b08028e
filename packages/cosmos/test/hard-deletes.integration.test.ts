import { compareVersions, defineEntity, type RecordKey, repositoryIn } from '@polyphase/core';
import type { Fault } from '@polyphase/cosmos-emulator';
import { afterEach, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { type CosmosSetup, liveEndpoint, setUpCosmos } from './cosmos-setup.ts';

const Account = defineEntity({
  name: 'accounts',
  schema: z.object({ id: z.string(), tenantId: z.string(), n: z.number().optional() }),
  key: { partition: 'tenantId', id: 'id' },
});

let setup: CosmosSetup | undefined;
afterEach(async () => {
  await setup?.close();
  setup = undefined;
});

async function setUp(): Promise<CosmosSetup> {
  setup = await setUpCosmos([Account], { store: { map: { accounts: { deletes: 'hard' } } } });
  return setup;
}

const key = (id: string): RecordKey => ({ partition: ['t'], id });
const create = ({ store }: CosmosSetup, id: string) =>
  store
    .records(Account)
    .write(
      { kind: 'create', key: key(id), operationId: `c-${id}`, value: { id, tenantId: 't' } },
      { term: 1 },
    );
const remove = (
  { store }: CosmosSetup,
  id: string,
  options: { readonly tombstones?: boolean; readonly operationId?: string } = {},
) =>
  store
    .records(Account)
    .write(
      { kind: 'delete', key: key(id), operationId: options.operationId ?? 'd' },
      { term: 1, ...options },
    );
const raw = async ({ store }: CosmosSetup): Promise<readonly string[]> =>
  (await store.container(Account).items.query<string>('SELECT VALUE c.id FROM c').fetchAll()).resources;

describe('deletes: "hard"', () => {
  it('leaves nothing, as other programs expect, and says whether a record was there', async () => {
    const cosmos = await setUp();
    await create(cosmos, 'a');
    expect(await remove(cosmos, 'a')).toMatchObject({ existed: true, record: { value: undefined } });
    expect(await raw(cosmos)).toEqual([]);
    expect(await remove(cosmos, 'a')).toMatchObject({ existed: false });
    expect(await raw(cosmos)).toEqual([]);
  });

  it('leaves a tombstone all the same where another store follows', async () => {
    const cosmos = await setUp();
    await create(cosmos, 'a');
    expect(await remove(cosmos, 'a', { tombstones: true })).toMatchObject({ existed: true });
    expect(await raw(cosmos)).toEqual(['a']);
    await remove(cosmos, 'b', { tombstones: true });
    expect(await cosmos.store.records(Account).count()).toBe(0);
    expect(await raw(cosmos)).toEqual(['a', 'b']);
  });

  it('heeds ifVersion', async () => {
    const accounts = repositoryIn((await setUp()).store, Account);
    const { version } = await accounts.create({ id: 'a', tenantId: 't' });
    await accounts.patch({ id: 'a', tenantId: 't' }, { n: 1 });
    await expect(accounts.delete({ id: 'a', tenantId: 't' }, { ifVersion: version })).rejects.toMatchObject({
      code: 'conflict',
    });
    expect(await accounts.get({ id: 'a', tenantId: 't' })).toBeDefined();
  });

  it('brings no key back with an older version than it had, within a second of the service too', async () => {
    const cosmos = await setUp();
    const records = cosmos.store.records(Account);
    let last = { term: 0, counter: 0 };
    for (let round = 0; round < 3; round += 1) {
      const { record } = await create(cosmos, 'a');
      expect(compareVersions(record.version, last)).toBeGreaterThan(0);
      for (let n = 0; n < 5; n += 1) {
        const patch = { kind: 'patch', key: key('a'), operationId: `${round}-${n}`, patch: { n } } as const;
        last = (await records.write(patch, { term: 1 })).record.version;
      }
      await remove(cosmos, 'a', { operationId: `d-${round}` });
    }
  });

  it('holds the gate 0 → 1 until it is taken away, and says how', async () => {
    const { store } = await setUp();
    const failed = (await store.verify(Account)).filter((answer) => !answer.passed);
    expect(failed).toMatchObject([
      {
        name: 'deletes leave tombstones',
        wanted: expect.stringContaining('take deletes out of map["accounts"]'),
      },
    ]);
  });

  it('removes in units of work, with the other writes or not at all', async () => {
    const cosmos = await setUp();
    const { store } = cosmos;
    await create(cosmos, 'a');
    const unit = (fail: boolean) =>
      store.runUnit(
        async (work) => {
          const records = work.records(Account);
          await records.write({
            kind: 'create',
            key: key('b'),
            operationId: 'u',
            value: { id: 'b', tenantId: 't' },
          });
          await records.write({ kind: 'delete', key: key('a'), operationId: 'u' });
          expect((await records.read(key('a')))?.value).toBeUndefined();
          // Made and removed inside: nothing is ever stored.
          await records.write({
            kind: 'create',
            key: key('c'),
            operationId: 'u',
            value: { id: 'c', tenantId: 't' },
          });
          await records.write({ kind: 'delete', key: key('c'), operationId: 'u' });
          if (fail) throw new Error('no');
        },
        { operationId: 'u', fenceOf: () => ({ term: 1 }) },
      );
    await expect(unit(true)).rejects.toThrow('no');
    expect(await raw(cosmos)).toEqual(['a']);
    await unit(false);
    expect(await raw(cosmos)).toEqual(['b']);
  });
});

describe('a removal', () => {
  it('in a unit takes nothing that changed meanwhile', async () => {
    const cosmos = await setUp();
    const records = cosmos.store.records(Account);
    await create(cosmos, 'a');
    const outcome = cosmos.store.runUnit(
      async (work) => {
        await work.records(Account).write({ kind: 'delete', key: key('a'), operationId: 'u' });
        await records.write({ kind: 'patch', key: key('a'), operationId: 'p', patch: { n: 1 } }, { term: 1 });
      },
      { operationId: 'u', fenceOf: () => ({ term: 1 }) },
    );
    await expect(outcome).rejects.toMatchObject({ code: 'transaction-conflict' });
    expect((await records.read(key('a')))?.value).toMatchObject({ n: 1 });
  });

  it('takes what another wrote meanwhile as it is then', async () => {
    const cosmos = await setUp();
    await create(cosmos, 'a');
    const records = cosmos.store.records(Account);
    const patch = { kind: 'patch', key: key('a'), operationId: 'p', patch: { n: 1 } } as const;
    const [removed, patched] = await Promise.allSettled([
      remove(cosmos, 'a'),
      records.write(patch, { term: 1 }),
    ]);
    // The removal may have been first.
    expect(['fulfilled', 'not-found']).toContain(
      patched.status === 'rejected' ? patched.reason.code : patched.status,
    );
    expect(removed).toMatchObject({ value: { existed: true } });
    expect(await raw(cosmos)).toEqual([]);
  });
});

const losses: readonly Fault[] = [{ reset: 'before' }, { reset: 'after' }, { status: 503 }, { status: 408 }];

describe.skipIf(liveEndpoint !== undefined).each(losses)('a removal whose answer is lost: %j', (loss) => {
  it('takes effect once', async () => {
    const cosmos = await setUp();
    await create(cosmos, 'a');
    const fault = cosmos.emulator?.faults.add({ ...loss, operation: 'delete' });
    expect(await remove(cosmos, 'a')).toMatchObject({ existed: true });
    expect(fault?.hits).toBe(1);
    expect(await raw(cosmos)).toEqual([]);
  });

  it('takes effect once in a unit that only removes', async () => {
    const cosmos = await setUp();
    await create(cosmos, 'a');
    await create(cosmos, 'b');
    const fault = cosmos.emulator?.faults.add({ ...loss, operation: 'batch' });
    await cosmos.store.runUnit(
      async (work) => {
        for (const id of ['a', 'b'])
          await work.records(Account).write({ kind: 'delete', key: key(id), operationId: 'u' });
      },
      { operationId: 'u', fenceOf: () => ({ term: 1 }) },
    );
    expect(fault?.hits).toBe(1);
    expect(await raw(cosmos)).toEqual([]);
  });
});
