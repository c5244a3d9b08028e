import { CosmosClient, type CosmosClientOptions } from '@azure/cosmos';
import { defineEntity, type RecordKey } from '@polyphase/core';
import {
  bindContract,
  changeFeedCases,
  checkpointCases,
  contractEntities,
  leaseCases,
  permitCases,
  queryCases,
  recordCases,
  repositoryCases,
  unitOfWorkCases,
} from '@polyphase/core/testing';
import type { InProcessHttpClient } from '@polyphase/cosmos-emulator';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { z } from 'zod';
import { cosmosError } from '../src/cosmos-errors.ts';
import { type CosmosSetup, foreignWriter, liveEndpoint, setUpCosmos } from './cosmos-setup.ts';

type Credential = NonNullable<CosmosClientOptions['aadCredentials']>;

const DATE_STEPS_MS = 2_000;
const Note = defineEntity({
  name: 'notes',
  schema: z.object({ id: z.string(), tenantId: z.string() }),
  key: { partition: 'tenantId', id: 'id' },
});
const key: RecordKey = { partition: ['t'], id: 'a' };
const upsert = () => ({
  kind: 'upsert' as const,
  key,
  operationId: crypto.randomUUID(),
  value: { id: 'a', tenantId: 't' },
});

const encoded = (part: object): string => Buffer.from(JSON.stringify(part)).toString('base64url');

/** A token as Entra ID gives one out; the emulator looks at everything but the signature. */
function tokenUntil(expSeconds: number, number = 1): string {
  const claims = { aud: 'https://cosmos.azure.com', exp: expSeconds, number };
  return `${encoded({ alg: 'RS256', typ: 'JWT' })}.${encoded(claims)}.${encoded({})}`;
}

/** Gives out a numbered token at each request, each good for so long. */
function issuer(lifeMs: number): Credential & { given: number } {
  return {
    given: 0,
    async getToken() {
      this.given += 1;
      const exp = Math.ceil((Date.now() + lifeMs) / 1000);
      return { token: tokenUntil(exp, this.given), expiresOnTimestamp: exp * 1000 };
    },
  };
}

// An account elsewhere takes no tokens of ours.
describe.skipIf(liveEndpoint !== undefined)('cosmos, by an Entra ID identity', () => {
  const bound = {
    capabilities: ['etag', 'single-partition', 'unique', 'not-unique-global', 'foreign'] as const,
    it,
    subject: async () => {
      const { store, emulator, close } = await setUpCosmos(contractEntities, {
        store: {
          control: 'contract_tasks',
          map: { contract: { container: 'contract_tasks' }, another: { container: 'contract_tasks' } },
        },
        emulator: { partitions: 2 },
        credential: () => issuer(3_600_000),
      });
      return {
        store,
        foreign: foreignWriter(store),
        close,
        serverNowMs: async () => emulator?.clock.now() ?? 0,
        passTime: async (ms: number) => emulator?.clock.advance(ms + DATE_STEPS_MS),
      };
    },
  };
  bindContract(recordCases, bound);
  bindContract(queryCases, bound);
  bindContract(repositoryCases, bound);
  bindContract(unitOfWorkCases, bound);
  bindContract(changeFeedCases, bound);
  bindContract(checkpointCases, bound);
  bindContract(permitCases, bound);
  bindContract(leaseCases, bound);
});

describe.skipIf(liveEndpoint !== undefined)('a token for Cosmos DB', () => {
  let setup: CosmosSetup | undefined;
  afterEach(async () => {
    await setup?.close();
    setup = undefined;
  });

  /** A store by an identity, and the tokens that the service was shown. */
  async function startBy(credential: Credential) {
    const shown: string[] = [];
    const between = (inner: InProcessHttpClient): InProcessHttpClient => ({
      async sendRequest(request) {
        const [, token] =
          /^type=aad&ver=1\.0&sig=(.*)$/.exec(new Map(request.headers).get('authorization') ?? '') ?? [];
        if (token !== undefined) shown.push(token);
        return inner.sendRequest(request);
      },
    });
    const made = await setUpCosmos([Note], { credential: () => credential, between });
    setup = made;
    return { ...made, shown, notes: made.store.records(Note) };
  }

  it('is asked for once, and kept while it is good for long', async () => {
    const credential = issuer(3_600_000);
    const { notes, shown } = await startBy(credential);
    for (let i = 0; i < 5; i += 1) await notes.read(key);
    expect(credential.given).toBe(1);
    expect(new Set(shown).size).toBe(1);
  });

  it('that ends soon is replaced while calls go on, and none fails', async () => {
    const credential = issuer(60_000);
    const { notes, shown } = await startBy(credential);
    await notes.write(upsert(), { term: 1 });
    for (let i = 0; i < 20; i += 1) expect((await notes.read(key))?.key).toEqual(key);
    expect(credential.given).toBeGreaterThan(2);
    expect(new Set(shown).size).toBeGreaterThan(2);
  });

  it('that has ended is used no more: the service refuses it, and the store goes on with the next', async () => {
    const credential = issuer(1_000);
    const { emulator, database, notes, shown } = await startBy(credential);
    await notes.write(upsert(), { term: 1 });
    const old = shown.at(-1) ?? '';
    const stubborn = new CosmosClient({
      endpoint: emulator?.endpoint ?? '',
      ...(emulator ? { httpClient: emulator.clientOptions().httpClient } : {}),
      aadCredentials: { getToken: async () => ({ token: old, expiresOnTimestamp: Number.MAX_SAFE_INTEGER }) },
    });
    const isRefused = () =>
      stubborn
        .database(database.id)
        .read()
        .then(
          () => false,
          (error: unknown) =>
            cosmosError(error, { operation: 'read', entity: 'notes' }).code === 'invalid-options',
        );
    await vi.waitUntil(isRefused, { timeout: 5_000, interval: 50 });
    stubborn.dispose();
    expect((await notes.read(key))?.key).toEqual(key);
    expect(shown.at(-1)).not.toBe(old);
  });

  it('that the credential cannot give makes calls fail as retryable, with nothing written', async () => {
    const good = issuer(3_600_000);
    let unavailable = false;
    const { notes, client, database } = await startBy({
      async getToken(scopes, options) {
        if (unavailable)
          throw Object.assign(new Error('no identity here'), { name: 'CredentialUnavailableError' });
        // By its own word over at once, so that each call asks for another.
        const answer = await good.getToken(scopes, options);
        return answer && { ...answer, expiresOnTimestamp: Date.now() };
      },
    });
    unavailable = true;
    const calls = await Promise.allSettled([notes.read(key), notes.write(upsert(), { term: 1 })]);
    for (const call of calls) expect(call).toMatchObject({ reason: { code: 'connection', retryable: true } });
    const owned = client.database(database.id).container('notes');
    expect((await owned.item('a', 't').read()).statusCode).toBe(404);
    unavailable = false;
    await notes.write(upsert(), { term: 1 });
    expect((await notes.read(key))?.key).toEqual(key);
  }, 20_000);

  it('that the service refuses is an error of options', async () => {
    const wrong = `${encoded({ alg: 'RS256' })}.${encoded({ aud: 'https://graph.microsoft.com', exp: 4e9 })}.x`;
    const credential = { getToken: async () => ({ token: wrong, expiresOnTimestamp: 4e12 }) };
    await expect(startBy(credential)).rejects.toMatchObject({ code: 'invalid-options' });
  });

  it('is for data: what is not there is not made, and the error says who makes it', async () => {
    const { store } = await startBy(issuer(3_600_000));
    const Missing = defineEntity({
      name: 'missing',
      schema: z.object({ id: z.string() }),
      key: { partition: 'id', id: 'id' },
    });
    await expect(store.prepare([Missing])).rejects.toMatchObject({
      code: 'invalid-options',
      message: expect.stringContaining('with a key or through Azure Resource Manager'),
    });
    await expect(store.verify(Missing)).rejects.toMatchObject({ code: 'invalid-options' });
    expect((await store.verify(Note)).map((answer) => answer.passed)).not.toContain(false);
    const { database } = store.container(Note);
    const refused: unknown = await database.containers.create({ id: 'x' }).catch((error: unknown) => error);
    expect(refused).toMatchObject({ code: 403, substatus: 5300 });
    expect(cosmosError(refused, { operation: 'create', entity: 'x' })).toMatchObject({
      code: 'invalid-options',
      message: expect.stringContaining('Azure Resource Manager'),
    });
  });
});
