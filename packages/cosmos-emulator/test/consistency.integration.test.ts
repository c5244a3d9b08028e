import { ConsistencyLevel, type Container, CosmosClient } from '@azure/cosmos';
import { describe, expect, it } from 'vitest';
import type { CosmosEmulator } from '../src/index.ts';
import { clientWith, setUp } from './cosmos-setup.ts';

const place = { database: 'db', container: 'items' };

/** The same container through a client of another consistency. */
function at(emulator: CosmosEmulator, consistencyLevel: ConsistencyLevel): Container {
  const client = new CosmosClient({ ...emulator.clientOptions(), consistencyLevel });
  return client.database('db').container('items');
}

async function countOf(container: Container): Promise<unknown> {
  return (await container.items.query('SELECT VALUE COUNT(1) FROM c').fetchAll()).resources[0];
}

const versionOf = async (container: Container): Promise<unknown> => {
  return (await container.item('1', 'a').read<{ n: number }>()).resource?.n;
};

describe('a read replica that lags', () => {
  it.each([ConsistencyLevel.Eventual, ConsistencyLevel.ConsistentPrefix])(
    'answers reads at %s as things were, until it goes on',
    async (level) => {
      const { container, emulator } = await setUp();
      await container.items.create({ id: '1', pk: 'a', n: 1 });
      const weak = at(emulator, level);
      emulator.replica.pause();
      await container.item('1', 'a').replace({ id: '1', pk: 'a', n: 2 });
      await container.items.create({ id: '2', pk: 'a' });
      await container.item('2', 'a').delete();
      await container.items.create({ id: '3', pk: 'a' });
      expect(emulator.replica.behind).toBe(4);
      expect(await versionOf(weak)).toBe(1);
      expect((await weak.item('3', 'a').read()).statusCode).toBe(404);
      expect(await countOf(weak)).toBe(1);
      emulator.replica.catchUp(2);
      expect(await versionOf(weak)).toBe(2);
      expect((await weak.item('2', 'a').read()).statusCode).toBe(200);
      expect((await weak.items.changeFeed('a', { startFromBeginning: true }).fetchNext()).count).toBe(2);
      emulator.replica.resume();
      expect((await weak.item('2', 'a').read()).statusCode).toBe(404);
      expect(await countOf(weak)).toBe(2);
      expect(emulator.replica.paused).toBe(false);
    },
  );

  it('lets a session read what it wrote, and another session not', async () => {
    const { container, emulator } = await setUp({}, { partitions: 2 });
    await container.items.create({ id: '1', pk: 'a', n: 1 });
    const [writer, reader] = [at(emulator, ConsistencyLevel.Session), at(emulator, ConsistencyLevel.Session)];
    expect(await versionOf(reader)).toBe(1);
    emulator.replica.pause();
    const { headers } = await writer.item('1', 'a').replace({ id: '1', pk: 'a', n: 2 });
    expect(await versionOf(writer)).toBe(2);
    expect(await versionOf(reader)).toBe(1);
    const sessionToken = String(headers['x-ms-session-token']);
    const shared = await reader.item('1', 'a').read<{ n: number }>({ sessionToken });
    expect(shared.resource?.n).toBe(2);
    // What it has read it has seen: its reads do not go back.
    expect(await versionOf(reader)).toBe(2);
    expect(await versionOf(at(emulator, ConsistencyLevel.Eventual))).toBe(1);
  });

  it('takes part in a split, and lags on', async () => {
    const { container, emulator } = await setUp();
    emulator.replica.pause();
    for (const pk of ['a', 'b', 'c', 'd']) await container.items.create({ id: '1', pk, n: 1 });
    emulator.split(place);
    const weak = at(emulator, ConsistencyLevel.Eventual);
    await container.items.upsert({ id: '1', pk: 'a', n: 2 });
    expect(await countOf(weak)).toBe(4);
    expect(await versionOf(weak)).toBe(1);
    expect(emulator.replica.behind).toBe(1);
  });

  it('is not asked by strong reads', async () => {
    const { emulator, container } = await setUp({}, { consistency: 'Strong' });
    emulator.replica.pause();
    await container.items.create({ id: '1', pk: 'a', n: 1 });
    for (const level of [ConsistencyLevel.Strong, ConsistencyLevel.BoundedStaleness])
      expect(await versionOf(at(emulator, level))).toBe(1);
    expect(await versionOf(container)).toBe(1);
    expect(await versionOf(at(emulator, ConsistencyLevel.Session))).toBeUndefined();
  });
});

describe('the consistency of a request', () => {
  it('is refused where it is stronger than the account, or none at all', async () => {
    const { emulator } = await setUp({}, { consistency: 'ConsistentPrefix' });
    for (const level of [
      ConsistencyLevel.Strong,
      ConsistencyLevel.BoundedStaleness,
      ConsistencyLevel.Session,
    ]) {
      const read = at(emulator, level).item('1', 'a').read();
      await expect(read).rejects.toMatchObject({
        code: 400,
        message: expect.stringContaining('not stronger'),
      });
    }
    expect((await at(emulator, ConsistencyLevel.Eventual).item('1', 'a').read()).statusCode).toBe(404);
    const strange = clientWith(emulator, { 'x-ms-consistency-level': 'Sometimes' });
    const read = strange.database('db').container('items').item('1', 'a').read();
    await expect(read).rejects.toMatchObject({ code: 400 });
  });
});

describe('a session token', () => {
  it.each(['0:-1#999', '0:5#999#1=3#2=4', '0:999'])(
    'of more than there is (%s) is answered with 1002',
    async (token) => {
      const { container, emulator } = await setUp();
      await container.items.create({ id: '1', pk: 'a', n: 1 });
      const ahead = clientWith(emulator, { 'x-ms-session-token': token }).database('db').container('items');
      expect(await ahead.item('1', 'a').read()).toMatchObject({ statusCode: 404, substatus: 1002 });
      const query = ahead.items.query('SELECT * FROM c', { partitionKey: 'a' }).fetchAll();
      await expect(query).rejects.toMatchObject({ code: 404, substatus: 1002 });
      // Writes do not ask what a session has seen.
      expect((await ahead.items.upsert({ id: '1', pk: 'a', n: 2 })).statusCode).toBe(200);
    },
  );

  it('of another partition, and of a weaker read, is not looked at', async () => {
    const { container, emulator } = await setUp();
    await container.items.create({ id: '1', pk: 'a', n: 1 });
    expect((await container.item('1', 'a').read({ sessionToken: '7:-1#999' })).statusCode).toBe(200);
    const weak = at(emulator, ConsistencyLevel.Eventual);
    expect((await weak.item('1', 'a').read({ sessionToken: '0:-1#999' })).statusCode).toBe(200);
    const broken = container.item('1', 'a').read({ sessionToken: 'what?' });
    await expect(broken).rejects.toMatchObject({ code: 400 });
  });

  it('of a partition that was split holds for both that follow', async () => {
    const { container, emulator } = await setUp();
    const session = at(emulator, ConsistencyLevel.Session);
    const token = async (pk: string): Promise<string> =>
      String((await session.items.upsert({ id: '1', pk })).headers['x-ms-session-token']);
    const before = await token('a');
    emulator.split(place);
    for (const pk of ['a', 'b', 'c', 'd', 'e', 'f']) {
      const { substatus } = await container.item('1', pk).read({ sessionToken: before });
      expect(substatus).not.toBe(1002);
      expect((await session.item('1', pk).read()).substatus).not.toBe(1002);
      expect(await token(pk)).toMatch(/^[12]:-1#\d+$/);
    }
    const beyond = clientWith(emulator, { 'x-ms-session-token': '0:-1#99' });
    const read = await beyond.database('db').container('items').item('1', 'a').read();
    expect(read.substatus).toBe(1002);
  });
});

describe('a budget of request units', () => {
  const impatient = { connectionPolicy: { retryOptions: { maxRetryAttemptCount: 0 } } };

  it('answers 429 when it is spent, and goes on as time passes', async () => {
    const { emulator, container } = await setUp();
    emulator.clock.set(0);
    const budget = emulator.budgets.add({ container: 'items', requestUnitsPerSecond: 10 });
    const client = new CosmosClient({ ...emulator.clientOptions(), ...impatient });
    const limited = client.database('db').container('items');
    const create = (id: string) => limited.items.create({ id, pk: 'a' });
    // Each costs about five units.
    for (const id of ['1', '2', '3']) await create(id);
    expect(budget.left).toBeLessThan(0);
    const refused = await create('4').catch((error: unknown) => error);
    expect(refused).toMatchObject({ code: 429, substatus: 3200 });
    expect((refused as { retryAfterInMs: number }).retryAfterInMs).toBeGreaterThan(300);
    expect((await container.read()).statusCode).toBe(200);
    emulator.clock.advance((refused as { retryAfterInMs: number }).retryAfterInMs);
    expect((await create('4')).statusCode).toBe(201);
    budget.remove();
    for (const id of ['5', '6', '7', '8']) expect((await create(id)).statusCode).toBe(201);
  });

  it('is waited for by the SDK, and holds for its container only', async () => {
    const { emulator, container, client } = await setUp();
    const { container: other } = await client.database('db').containers.create({ id: 'other' });
    emulator.budgets.add({ container: 'items', requestUnitsPerSecond: 200 });
    const before = emulator.stats.requests;
    for (let n = 0; n < 60; n++) await container.items.create({ id: `${n}`, pk: 'a' });
    expect(emulator.stats.requests - before).toBeGreaterThan(60);
    for (let n = 0; n < 60; n++) await other.items.create({ id: `${n}` });
    expect(() => emulator.budgets.add({ requestUnitsPerSecond: 0 })).toThrow(RangeError);
  });
});
