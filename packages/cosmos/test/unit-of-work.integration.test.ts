import {
  defineEntity,
  keyOfValue,
  planQuery,
  type RecordKey,
  type UnitOfWork,
  type UnitResult,
  UnknownOutcomeError,
} from '@polyphase/core';
import type { Fault } from '@polyphase/cosmos-emulator';
import { afterEach, describe, expect, it } from 'vitest';
import { z } from 'zod';
import type { CosmosStore } from '../src/index.ts';
import { type CosmosSetup, liveEndpoint, setUpCosmos } from './cosmos-setup.ts';

const Account = defineEntity({
  name: 'accounts',
  schema: z.object({ id: z.string(), tenantId: z.string(), n: z.number(), email: z.string().optional() }),
  key: { partition: 'tenantId', id: 'id' },
  indexes: [{ fields: ['n'] }, { fields: ['email'], unique: 'partition' }],
});

let setup: CosmosSetup | undefined;
afterEach(async () => {
  await setup?.close();
  setup = undefined;
});

async function setUp(): Promise<CosmosSetup> {
  setup = await setUpCosmos([Account]);
  return setup;
}

const key = (id: string): RecordKey => ({ partition: ['t'], id });
const value = (id: string, n: number) => ({ id, tenantId: 't', n, email: `${id}@example.org` });

async function put(unit: UnitOfWork, id: string, n: number): Promise<void> {
  const made = value(id, n);
  await unit
    .records(Account)
    .write({ kind: 'upsert', key: keyOfValue(Account, made), operationId: 'unit', value: made });
}

async function run<Result>(
  store: CosmosStore,
  work: (unit: UnitOfWork) => Promise<Result>,
): Promise<UnitResult<Result>> {
  return store.runUnit(work, { operationId: 'unit', fenceOf: () => ({ term: 1 }) });
}

const losses: readonly Fault[] = [
  { reset: 'before' },
  { reset: 'after' },
  ...([408, 410, 449, 500, 503] as const).map((status) => ({ status })),
];

describe.skipIf(liveEndpoint !== undefined)(
  'a unit whose answer is lost (needs the emulator’s faults)',
  () => {
    for (const loss of losses)
      it(`takes effect once: ${JSON.stringify(loss)}`, async () => {
        const { store, emulator } = await setUp();
        await store
          .records(Account)
          .write({ kind: 'create', key: key('a'), operationId: 'seed', value: value('a', 0) }, { term: 1 });
        const fault = emulator?.faults.add({ ...loss, operation: 'batch' });
        await run(store, async (unit) => {
          await put(unit, 'a', 1);
          await put(unit, 'b', 1);
        });
        expect(fault?.hits).toBe(1);
        const records = await store.records(Account).readMany([key('a'), key('b')]);
        expect(records.map((record) => record?.value?.['n'])).toEqual([1, 1]);
        expect(records[0]?.operations.map((mark) => mark.id)).toEqual(['unit', 'seed']);
      });

    it('is an unknown outcome when its signal aborts after it was sent', async () => {
      const { store, emulator } = await setUp();
      const abort = new AbortController();
      const gate = Promise.withResolvers<void>();
      const fault = emulator?.faults.add({ operation: 'batch', gate: gate.promise });
      const options = { operationId: 'unit', fenceOf: () => ({ term: 1 }), signal: abort.signal };
      const outcome = store.runUnit((unit) => put(unit, 'a', 1), options).catch((error: unknown) => error);
      await expect.poll(() => fault?.hits).toBe(1);
      abort.abort();
      gate.resolve();
      expect(await outcome).toMatchObject({ code: 'unknown-outcome', operationId: 'unit' });
    });

    it('is an unknown outcome when no answer ever comes', async () => {
      const { store, emulator } = await setUp();
      emulator?.faults.add({ operation: 'batch', reset: 'before', count: 1_000 });
      const outcome = await run(store, (unit) => put(unit, 'a', 1)).catch((error: unknown) => error);
      expect(UnknownOutcomeError.isInstance(outcome) && outcome.operationId).toBe('unit');
    });
  },
);

describe('a unit', () => {
  it('commits nothing when a record changed meanwhile', async () => {
    const { store } = await setUp();
    const outcome = await run(store, async (unit) => {
      await put(unit, 'b', 1);
      await put(unit, 'a', 1);
      await store
        .records(Account)
        .write({ kind: 'create', key: key('a'), operationId: 'other', value: value('a', 9) }, { term: 1 });
    }).catch((error: unknown) => error);
    expect(outcome).toMatchObject({ code: 'transaction-conflict' });
    expect(await store.records(Account).read(key('b'))).toBeUndefined();
  });

  it('tells a unique value that is taken from a record that changed', async () => {
    const { store } = await setUp();
    await store
      .records(Account)
      .write({ kind: 'create', key: key('a'), operationId: 'seed', value: value('a', 0) }, { term: 1 });
    const outcome = await run(store, async (unit) => {
      const taken = { ...value('b', 1), email: 'a@example.org' };
      await unit.records(Account).write({ kind: 'create', key: key('b'), operationId: 'unit', value: taken });
    }).catch((error: unknown) => error);
    expect(outcome).toMatchObject({ code: 'already-exists' });
  });

  it('queries its own writes in their place, and not what it deleted', async () => {
    const { store } = await setUp();
    for (const [id, n] of [
      ['a', 1],
      ['b', 2],
      ['c', 3],
    ] as const)
      await store
        .records(Account)
        .write({ kind: 'create', key: key(id), operationId: 'seed', value: value(id, n) }, { term: 1 });
    const query = { where: { tenantId: 't' }, orderBy: [['n', 'asc']], limit: 1 };
    const { result } = await run(store, async (unit) => {
      const records = unit.records(Account);
      await records.write({ kind: 'delete', key: key('b'), operationId: 'unit' });
      await put(unit, 'd', 2.5);
      await put(unit, 'a', 10);
      return records.query(planQuery(Account, query).plan);
    });
    expect(result.map((record) => record.key.id)).toEqual(['d', 'c']);
  });

  it('refuses what a batch cannot carry', async () => {
    const { store } = await setUp();
    const outcome = await run(store, async (unit) => {
      for (const id of ['a', 'b', 'c']) {
        const big = { ...value(id, 1), text: 'x'.repeat(800_000) };
        await unit.records(Account).write({ kind: 'create', key: key(id), operationId: 'unit', value: big });
      }
    }).catch((error: unknown) => error);
    expect(outcome).toMatchObject({ code: 'unsupported' });
    expect(await store.records(Account).count()).toBe(0);
  });
});
