import {
  type ClientEncryptionPolicy,
  CosmosClient,
  type Database,
  EncryptionAlgorithm,
  type EncryptionKeyResolver,
  EncryptionKeyResolverName,
  type EncryptionKeyWrapMetadata,
  EncryptionQueryBuilder,
  EncryptionType,
  KeyEncryptionAlgorithm,
} from '@azure/cosmos';
import { expect, it } from 'vitest';
import { CosmosEmulator } from '../src/index.ts';
import { onPk } from './cosmos-setup.ts';

/** Wraps keys in a way that anybody could undo: what matters here is that the service never sees the key or the text. */
const resolver: EncryptionKeyResolver = {
  encryptionKeyResolverName: 'test',
  wrapKey: (_id, _algorithm, key) => Promise.resolve(Buffer.from(key.map((byte) => byte ^ 7))),
  unwrapKey: (_id, _algorithm, key) => Promise.resolve(Buffer.from(key.map((byte) => byte ^ 7))),
};

const metadata: EncryptionKeyWrapMetadata = {
  type: EncryptionKeyResolverName.AzureKeyVault,
  name: 'master',
  value: 'first',
  algorithm: KeyEncryptionAlgorithm.RSA_OAEP,
};

async function databaseWithKey(emulator: CosmosEmulator): Promise<Database> {
  const clientEncryptionOptions = { keyEncryptionKeyResolver: resolver };
  const client = new CosmosClient({ ...emulator.clientOptions(), clientEncryptionOptions });
  const { database } = await client.databases.create({ id: 'db' });
  const algorithm = EncryptionAlgorithm.AEAD_AES_256_CBC_HMAC_SHA256;
  expect((await database.createClientEncryptionKey('key', algorithm, metadata)).statusCode).toBe(201);
  return database;
}

const clientEncryptionPolicy: ClientEncryptionPolicy = {
  policyFormatVersion: 2,
  includedPaths: ['/secret', '/pk'].map((path) => ({
    path,
    clientEncryptionKeyId: 'key',
    encryptionType: EncryptionType.DETERMINISTIC,
    encryptionAlgorithm: EncryptionAlgorithm.AEAD_AES_256_CBC_HMAC_SHA256,
  })),
};

it('properties and partition keys that the client encrypts are found by it, and by nobody else', async () => {
  const emulator = new CosmosEmulator({ partitions: 2 });
  const database = await databaseWithKey(emulator);
  const { container } = await database.containers.create({
    id: 'c',
    partitionKey: onPk,
    clientEncryptionPolicy,
  });
  await container.items.create({ id: '1', pk: 'a', secret: 'open' });
  expect((await container.item('1', 'a').read()).resource).toMatchObject({ pk: 'a', secret: 'open' });
  const query = new EncryptionQueryBuilder('SELECT * FROM c WHERE c.secret = @secret');
  query.addParameter('@secret', 'open', '/secret');
  const found = await container.items.getEncryptionQueryIterator(query);
  expect((await found.fetchAll()).resources).toMatchObject([{ id: '1', secret: 'open' }]);
  const stranger = new CosmosClient(emulator.clientOptions()).database('db').container('c');
  const { resources } = await stranger.items.readAll().fetchAll();
  expect(JSON.stringify(resources)).toContain('"id":"1"');
  expect(JSON.stringify(resources)).not.toContain('open');
  await container.deleteAllItemsForPartitionKey('a');
  expect((await stranger.items.readAll().fetchAll()).resources).toEqual([]);
});

it('a key is wrapped anew', async () => {
  const database = await databaseWithKey(new CosmosEmulator());
  await database.rewrapClientEncryptionKey('key', { ...metadata, value: 'second' });
  const after = await database.readClientEncryptionKey('key');
  expect(after.clientEncryptionKeyProperties?.encryptionKeyWrapMetadata.value).toBe('second');
});
