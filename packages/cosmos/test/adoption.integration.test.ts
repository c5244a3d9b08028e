import { defineEntity, type GateAnswer, InvalidOptionsError } from '@polyphase/core';
import type { InProcessHttpClient } from '@polyphase/cosmos-emulator';
import { afterEach, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { type CosmosMap, cosmosStore } from '../src/index.ts';
import { type CosmosSetup, foreignWriter, setUpCosmos } from './cosmos-setup.ts';

const Account = defineEntity({
  name: 'accounts',
  schema: z.object({ id: z.string(), tenantId: z.string() }),
  key: { partition: 'tenantId', id: 'id' },
});

let setup: CosmosSetup | undefined;
afterEach(async () => {
  await setup?.close();
  setup = undefined;
});

async function setUp(options: Parameters<typeof setUpCosmos>[1] = {}): Promise<CosmosSetup> {
  setup = await setUpCosmos([Account], options);
  return setup;
}

const named = (answers: readonly GateAnswer[], name: string) =>
  answers.find((answer) => answer.name === name);

describe('one write region', () => {
  // The account as the service tells of it, with other regions in it.
  const account =
    (regions: { names: readonly string[] }) =>
    (inner: InProcessHttpClient): InProcessHttpClient => ({
      sendRequest: async (request) => {
        const response = await inner.sendRequest(request);
        if (new URL(request.url).pathname !== '/' || typeof response.bodyAsText !== 'string') return response;
        const body: Record<string, unknown> = JSON.parse(response.bodyAsText);
        const { origin } = new URL(request.url);
        const locations = regions.names.map((name) => ({ name, databaseAccountEndpoint: `${origin}/` }));
        const told = { ...body, writableLocations: locations, enableMultipleWriteLocations: true };
        return { ...response, bodyAsText: JSON.stringify(told) };
      },
    });

  it('is asked of the account, each time anew', async () => {
    const regions = { names: ['West Europe', 'North Europe'] };
    const { store } = await setUp({ between: account(regions) });
    expect(named(await store.verify(Account), 'one write region')).toMatchObject({
      passed: false,
      seen: 'West Europe, North Europe',
      wanted: expect.stringContaining('turn multi-region writes off'),
    });
    regions.names = ['West Europe'];
    expect(named(await store.verify(Account), 'one write region')).toMatchObject({
      passed: true,
      seen: 'West Europe',
    });
  });
});

describe('other readers', () => {
  const asked = async ({ database }: CosmosSetup, map: CosmosMap = {}) =>
    named(await cosmosStore({ database, map }).verify(Account, { adopting: true }), 'other readers');

  it('are asked for where a document was written without the SDK, and only before another store follows', async () => {
    const cosmos = await setUp();
    await foreignWriter(cosmos.store).put(Account, { id: 'a', tenantId: 't' });
    expect(await asked(cosmos)).toMatchObject({
      passed: false,
      seen: expect.stringContaining('written without the SDK'),
      wanted: expect.stringContaining('"accounts": { otherReaders: "acknowledged" }'),
    });
    expect(named(await cosmos.store.verify(Account), 'other readers')).toBeUndefined();
    expect(await asked(cosmos, { accounts: { otherReaders: 'acknowledged' } })).toMatchObject({
      passed: true,
      seen: 'acknowledged',
    });
  });

  it('are none where the SDK wrote every document', async () => {
    const cosmos = await setUp();
    expect(await asked(cosmos)).toMatchObject({ passed: true });
    const value = { id: 'a', tenantId: 't' };
    const key = { partition: ['t'], id: 'a' };
    await cosmos.store.records(Account).write({ kind: 'create', key, operationId: 'c', value }, { term: 1 });
    await cosmos.store.permits.create('accounts', {
      epoch: 0,
      open: true,
      opening: 0,
      term: 1,
      leaseMs: 1,
      drainMs: 1,
      tombstones: false,
    });
    expect(await asked(cosmos)).toMatchObject({
      passed: true,
      seen: 'every document was written by the SDK',
    });
  });

  it('are those of the entity: documents of others in the container are no matter', async () => {
    const cosmos = await setUp();
    const map = { accounts: { discriminator: { type: 'account' } } };
    await cosmos.store.container(Account).items.create({ id: 'o', tenantId: 't', type: 'order' });
    expect(await asked(cosmos, map)).toMatchObject({ passed: true });
    await cosmos.store.container(Account).items.create({ id: 'a', tenantId: 't', type: 'account' });
    expect(await asked(cosmos, map)).toMatchObject({ passed: false });
  });

  it('are acknowledged in one word', async () => {
    const { database } = await setUp();
    const odd: Record<string, unknown> = { accounts: { otherReaders: true } };
    const make = () => cosmosStore({ database, map: odd as CosmosMap });
    expect(make).toThrow(InvalidOptionsError);
    expect(make).toThrow(/map\.accounts\.otherReaders must be "acknowledged"/);
  });
});

describe('units of work', () => {
  const Session = defineEntity({
    name: 'sessions',
    schema: z.object({ id: z.string(), tenantId: z.string() }),
    key: { partition: 'tenantId', id: 'id' },
  });
  const unitsOf = async (map: CosmosMap) => {
    const { database } = await setUp();
    const store = cosmosStore({ database, map });
    store.records(Account);
    store.records(Session);
    const ask = async (together?: readonly string[]) =>
      named(await store.verify(Account, { together }), 'units of work');
    return ask;
  };

  it('fit where entities that move together share a container and a partition key', async () => {
    const ask = await unitsOf({
      accounts: { discriminator: { type: 'account' } },
      sessions: { container: 'accounts', discriminator: { type: 'session' } },
    });
    expect(await ask(['accounts', 'sessions'])).toMatchObject({ passed: true });
    expect(await ask()).toBeUndefined();
    expect(await ask(['accounts'])).toBeUndefined();
  });

  it('do not where they are apart, or one is not known', async () => {
    const ask = await unitsOf({});
    expect(await ask(['accounts', 'sessions'])).toMatchObject({
      passed: false,
      seen: 'accounts in container "accounts" by /tenantId; sessions in container "sessions" by /tenantId',
      wanted: expect.stringContaining('take those that are apart out of the group in config'),
    });
    expect(await ask(['accounts', 'orders'])).toMatchObject({
      passed: false,
      seen: expect.stringContaining('orders not registered here'),
    });
  });
});
