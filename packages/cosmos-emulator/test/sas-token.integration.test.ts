import {
  CosmosClient,
  createAuthorizationSasToken,
  SasTokenPermissionKind,
  SasTokenProperties,
} from '@azure/cosmos';
import { describe, expect, it } from 'vitest';
import { setUp } from './cosmos-setup.ts';
import { refusal } from './refusal.ts';

async function clientOf(
  grant: Partial<SasTokenProperties>,
  key?: string,
): Promise<{ client: CosmosClient; advance: (ms: number) => void }> {
  const setup = await setUp();
  await setup.container.items.create({ id: '1', pk: 'a' });
  await setup.client.database('db').containers.create({ id: 'other', partitionKey: '/pk' });
  const { endpoint, httpClient } = setup.emulator.clientOptions();
  const properties = Object.assign(new SasTokenProperties(), {
    user: 'anna',
    userTag: '',
    databaseName: 'db',
    containerName: 'items',
    startTime: new Date(),
    expiryTime: new Date(Date.now() + 3_600_000),
    keyType: 1,
    controlPlaneReaderScope: 0,
    controlPlaneWriterScope: 0,
    dataPlaneReaderScope: SasTokenPermissionKind.ContainerFullAccess,
    dataPlaneWriterScope: SasTokenPermissionKind.ContainerFullAccess,
    ...grant,
  });
  const token = await createAuthorizationSasToken(key ?? setup.emulator.key, properties);
  const client = new CosmosClient({ endpoint, httpClient, key: token });
  return { client, advance: (ms) => setup.emulator.clock.advance(ms) };
}

describe('a shared access signature', () => {
  it('works with the items of its container, and with nothing else', async () => {
    const { client, advance } = await clientOf({});
    const container = client.database('db').container('items');
    expect((await container.item('1', 'a').read()).statusCode).toBe(200);
    expect((await container.items.create({ id: '2', pk: 'a' })).statusCode).toBe(201);
    const query = container.items.query('SELECT * FROM c ORDER BY c.id');
    expect((await query.fetchAll()).resources).toHaveLength(2);
    expect((await container.read()).statusCode).toBe(200);
    const refused = [
      client.database('db').container('other').items.create({ id: '1', pk: 'a' }),
      client.databases.create({ id: 'x' }),
      container.delete(),
    ];
    for (const error of await Promise.all(refused.map(refusal))) expect(error.code).toBe(403);
    advance(3_601_000);
    const late = await refusal(container.items.create({ id: '3', pk: 'a' }));
    expect(late).toMatchObject({ code: 403, message: expect.stringContaining('not valid at the current') });
  });

  it('allows what its scopes name', async () => {
    const { client } = await clientOf({
      dataPlaneReaderScope: SasTokenPermissionKind.ContainerExecuteQueries,
      dataPlaneWriterScope: SasTokenPermissionKind.ContainerCreateItems,
    });
    const container = client.database('db').container('items');
    expect((await container.items.create({ id: '2', pk: 'a' })).statusCode).toBe(201);
    expect((await container.items.query('SELECT * FROM c').fetchAll()).resources).toHaveLength(2);
    const refused = [
      container.item('1', 'a').read(),
      container.item('1', 'a').delete(),
      container.items.upsert({ id: '1', pk: 'a' }),
    ];
    for (const error of await Promise.all(refused.map(refusal))) expect(error.code).toBe(403);
  });

  it('is refused when another key signed it', async () => {
    const { client } = await clientOf({}, Buffer.from('another').toString('base64'));
    expect((await refusal(client.database('db').container('items').read())).code).toBe(401);
  });
});
