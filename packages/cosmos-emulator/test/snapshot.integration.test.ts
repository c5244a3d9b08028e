import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import { ChangeFeedStartFrom, type Container, CosmosClient } from '@azure/cosmos';
import { describe, expect, it } from 'vitest';
import { CosmosEmulator } from '../src/index.ts';
import { onPk, setUp } from './cosmos-setup.ts';

async function itemsOf(container: Container): Promise<unknown[]> {
  return (await container.items.readAll().fetchAll()).resources;
}

describe('a snapshot', () => {
  it('puts everything back as it was, and the clients that are there see it', async () => {
    const { emulator, client, container } = await setUp(
      { defaultTtl: -1, uniqueKeyPolicy: { uniqueKeys: [{ paths: ['/mail'] }] } },
      { partitions: 3 },
    );
    for (const id of ['1', '2', '3', '4']) await container.items.create({ id, pk: `p${id}`, mail: id });
    await container.item('1', 'p1').patch([{ op: 'add', path: '/n', value: 1 }]);
    await container.item('2', 'p2').delete();
    const [resource, items] = [(await container.read()).resource, await itemsOf(container)];
    const snapshot = emulator.snapshot();

    await container.items.create({ id: '5', pk: 'p1', mail: '5' });
    await container.item('3', 'p3').delete();
    await container.item('1', 'p1').replace({ id: '1', pk: 'p1', mail: 'other' });
    await container.replace({ ...resource, id: 'items', partitionKey: onPk, defaultTtl: 5 });
    await client.database('db').containers.create({ id: 'more', partitionKey: onPk });
    emulator.restore(snapshot);

    expect((await container.read()).resource).toEqual(resource);
    expect(await itemsOf(container)).toEqual(items);
    expect((await client.database('db').containers.readAll().fetchAll()).resources).toHaveLength(1);
    const taken = container.items.create({ id: '6', pk: 'p1', mail: '1' });
    await expect(taken).rejects.toMatchObject({ code: 409 });
    expect((await container.items.create({ id: '6', pk: 'p1', mail: 'other' })).statusCode).toBe(201);
  });

  it('restores a container that was deleted and created again since', async () => {
    const { emulator, client, container } = await setUp();
    await container.items.create({ id: '1', pk: 'a', n: 1 });
    const snapshot = emulator.snapshot();
    await container.delete();
    await client.database('db').containers.create({ id: 'items', partitionKey: { ...onPk, paths: ['/n'] } });
    await container.items.create({ id: '1', n: 5 });
    emulator.restore(snapshot);
    const other = new CosmosClient(emulator.clientOptions()).database('db').container('items');
    for (const one of [container, other]) {
      expect((await one.item('1', 'a').read()).resource).toMatchObject({ n: 1 });
    }
  });

  it('keeps every kind of partition key, and the order of creation and of changes', async () => {
    const { emulator, container } = await setUp({}, { partitions: 2 });
    for (const pk of ['a', 1, true, null, undefined]) await container.items.create({ id: 'x', pk });
    await container.items.upsert({ id: 'x', pk: 'a' });
    const before = await itemsOf(container);
    const changes = async (): Promise<unknown> =>
      (
        await container.items
          .getChangeFeedIterator({ changeFeedStartFrom: ChangeFeedStartFrom.Beginning() })
          .readNext()
      ).result;
    const feed = await changes();
    emulator.restore(emulator.snapshot());
    expect(await itemsOf(container)).toEqual(before);
    expect(await changes()).toEqual(feed);
    expect((await container.item('x', null).read()).statusCode).toBe(200);
    expect((await container.item('x', undefined).read()).statusCode).toBe(200);
  });

  it('is immutable, and goes to other emulators as a clone, as JSON or through a worker', async () => {
    const { emulator, container } = await setUp();
    await container.items.create({ id: '1', pk: 'a', text: '\ud800 ü \u2028 "' });
    const snapshot = emulator.snapshot();
    await container.item('1', 'a').delete();
    expect(Object.isFrozen(snapshot) && Object.isFrozen(snapshot.entries)).toBe(true);
    const code =
      "const { parentPort, workerData } = require('worker_threads'); parentPort.postMessage(workerData)";
    const echo = new Worker(code, { eval: true, workerData: snapshot });
    const [echoed] = await once(echo, 'message');
    for (const copy of [snapshot, structuredClone(snapshot), JSON.parse(JSON.stringify(snapshot)), echoed]) {
      const other = new CosmosEmulator();
      other.restore(copy);
      const restored = new CosmosClient(other.clientOptions()).database('db').container('items');
      expect((await restored.item('1', 'a').read()).resource).toMatchObject({ text: '\ud800 ü \u2028 "' });
    }
    await echo.terminate();
  });

  it('is refused when it is none, and nothing changes', async () => {
    const { emulator, container } = await setUp();
    for (const text of ['{}', '{"format":2,"entries":[]}', '{"format":1,"entries":["x"]}']) {
      expect(() => emulator.restore(JSON.parse(text))).toThrow(/snapshot|JSON/);
    }
    expect((await container.read()).statusCode).toBe(200);
  });
});
