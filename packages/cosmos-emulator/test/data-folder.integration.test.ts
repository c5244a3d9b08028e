import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { BulkOperationType, ChangeFeedStartFrom, type Container, CosmosClient } from '@azure/cosmos';
import { afterAll, afterEach, describe, expect, it } from 'vitest';
import { CosmosEmulator, type CosmosEmulatorOptions, DataFolderError } from '../src/index.ts';
import { onPk } from './cosmos-setup.ts';

const root = mkdtempSync(join(tmpdir(), 'cosmos-emulator-data-'));
afterAll(() => rmSync(root, { recursive: true }));

let folders = 0;
const newFolder = (): string => join(root, String(++folders));

const open: CosmosEmulator[] = [];
const children: ChildProcess[] = [];
afterEach(async () => {
  for (const emulator of open.splice(0)) await emulator.close();
  for (const child of children.splice(0)) child.kill('SIGKILL');
});

function opened(data: string, options: CosmosEmulatorOptions = {}): CosmosEmulator {
  const emulator = new CosmosEmulator({ data, ...options });
  open.push(emulator);
  return emulator;
}

async function itemsIn(client: CosmosClient): Promise<Container> {
  const { database } = await client.databases.createIfNotExists({ id: 'db' });
  return (await database.containers.createIfNotExists({ id: 'items', partitionKey: onPk })).container;
}

function containerOf(emulator: CosmosEmulator): Container {
  return new CosmosClient(emulator.clientOptions()).database('db').container('items');
}

const cli = fileURLToPath(new URL('../src/cli.ts', import.meta.url));
const command = [process.execPath, '--conditions=@polyphase/source', cli, '--port', '0'];

async function served(
  data: string,
  { args = [], before = [] }: { args?: string[]; before?: string[] } = {},
): Promise<{
  child: ChildProcess;
  client: CosmosClient;
}> {
  const [program = '', ...rest] = [...before, ...command, '--data', data, ...args];
  const child = spawn(program, rest, { stdio: ['ignore', 'pipe', 'inherit'] });
  children.push(child);
  let printed = '';
  child.stdout?.on('data', (chunk: Buffer) => (printed += chunk.toString()));
  await expect.poll(() => printed, { timeout: 10_000 }).toContain(' ready at ');
  const endpoint = / ready at (\S+)/.exec(printed)?.[1] ?? '';
  const connectionPolicy = { enableEndpointDiscovery: false, retryOptions: noRetries };
  return { child, client: new CosmosClient({ endpoint, key: new CosmosEmulator().key, connectionPolicy }) };
}

const noRetries = { maxRetryAttemptCount: 0, fixedRetryIntervalInMilliseconds: 0, maxWaitTimeInSeconds: 0 };

describe('a data folder', () => {
  it('has everything after a restart: definitions, items, continuations and feed positions', async () => {
    const data = newFolder();
    const first = opened(data, { partitions: 2 });
    const before = await itemsIn(new CosmosClient(first.clientOptions()));
    for (let at = 0; at < 20; at++) await before.items.create({ id: `i${at}`, pk: `p${at % 5}`, at });
    await before.item('i3', 'p3').delete();
    await before.item('i4', 'p4').patch([{ op: 'incr', path: '/at', value: 100 }]);
    const all = (await before.items.readAll().fetchAll()).resources;
    const definition = (await before.read()).resource;
    const page = await before.items
      .query('SELECT * FROM c WHERE c.pk = "p1"', { maxItemCount: 1 })
      .fetchNext();
    const feed = before.items.getChangeFeedIterator({ changeFeedStartFrom: ChangeFeedStartFrom.Now('p1') });
    const position = (await feed.readNext()).continuationToken;
    await before.items.create({ id: 'new', pk: 'p1' });
    await first.close();

    const after = containerOf(opened(data));
    expect((await after.read()).resource).toEqual(definition);
    const now = (await after.items.readAll().fetchAll()).resources;
    expect(now.filter(({ id }) => id !== 'new')).toEqual(all);
    const options = {
      maxItemCount: 1,
      ...(page.continuationToken ? { continuationToken: page.continuationToken } : {}),
    };
    const next = await after.items.query('SELECT * FROM c WHERE c.pk = "p1"', options).fetchNext();
    expect([...page.resources, ...next.resources]).toMatchObject([{ id: 'i1' }, { id: 'i6' }]);
    const start = ChangeFeedStartFrom.Continuation(position);
    const changes = await after.items.getChangeFeedIterator({ changeFeedStartFrom: start }).readNext();
    expect(changes.result).toMatchObject([{ id: 'new' }]);
    const { resource } = await after.items.create({ id: 'newer', pk: 'p1' });
    expect(now.map(({ _rid }) => _rid)).not.toContain(resource?._rid);
  });

  it.each(['process', 'power'])(
    'has every write that was acknowledged before SIGKILL (%s)',
    async (durability) => {
      const data = newFolder();
      const { child, client } = await served(data, { args: ['--durability', durability] });
      const container = await itemsIn(client);
      const kept = new Map<string, number>();
      const ending = new AbortController();
      // Large enough that the log is written anew several times meanwhile.
      const filler = 'x'.repeat(60_000);
      const writer = async (pk: string): Promise<void> => {
        for (let n = 1; !ending.signal.aborted; n++) {
          try {
            await container.items.create({ id: `single-${n}`, pk, n, filler });
            kept.set(`${pk} single-${n}`, n);
            const both = ['left', 'right'].map((id) => ({
              operationType: BulkOperationType.Upsert,
              resourceBody: { id, pk, n },
            }));
            if ((await container.items.batch(both, pk)).code === 200) kept.set(`${pk} left`, n);
          } catch {
            return;
          }
        }
      };
      const writers = ['a', 'b', 'c', 'd'].map(writer);
      await expect.poll(() => kept.get('a left') ?? 0, { timeout: 20_000 }).toBeGreaterThan(40);
      child.kill('SIGKILL');
      await once(child, 'close');
      ending.abort();
      await Promise.all(writers);
      client.dispose();

      expect(readdirSync(data).filter((name) => name.endsWith('.log'))).not.toEqual(['data-1.log']);
      const after = containerOf(opened(data));
      for (const [key, n] of kept) {
        const [pk = '', id = ''] = key.split(' ');
        expect((await after.item(id, pk).read()).resource?.n).toBeGreaterThanOrEqual(n);
      }
      for (const pk of ['a', 'b', 'c', 'd']) {
        const [left, right] = await Promise.all(['left', 'right'].map((id) => after.item(id, pk).read()));
        expect(left?.resource?.n).toBe(right?.resource?.n);
      }
    },
  );

  it('drops a record that was cut short, and refuses any other damage without changing anything', async () => {
    const data = newFolder();
    const first = opened(data);
    const before = await itemsIn(new CosmosClient(first.clientOptions()));
    for (const id of ['1', '2', '3']) await before.items.create({ id, pk: 'a' });
    await first.close();
    const log = join(data, 'data-1.log');
    const whole = readFileSync(log);

    writeFileSync(log, whole.subarray(0, -7));
    const cut = opened(data);
    const after = containerOf(cut);
    expect((await after.item('2', 'a').read()).statusCode).toBe(200);
    expect((await after.item('3', 'a').read()).statusCode).toBe(404);
    expect((await after.items.create({ id: '3', pk: 'a' })).statusCode).toBe(201);
    await cut.close();

    const damaged = Buffer.from(whole);
    damaged[whole.length - 300] = 0;
    writeFileSync(log, damaged);
    const { code, message } = refusal(() => opened(data));
    expect(code).toBe('DAMAGED');
    expect(readFileSync(log)).toEqual(damaged);
    // The way out that the message tells.
    const bytes = Number(/shorten the file to (\d+) bytes/.exec(message)?.[1]);
    writeFileSync(log, damaged.subarray(0, bytes));
    expect((await containerOf(opened(data)).item('1', 'a').read()).statusCode).toBe(200);
  });

  it('belongs to one emulator at a time', async () => {
    const data = newFolder();
    const first = opened(data);
    expect(refusal(() => opened(data)).code).toBe('IN_USE');
    const other = spawn(command[0] ?? '', [...command.slice(1), '--data', data]);
    let error = '';
    other.stderr.on('data', (chunk: Buffer) => (error += chunk.toString()));
    expect(await once(other, 'close')).toEqual([1, null]);
    expect(error).toContain(`The data folder is in use by process ${process.pid}. End that process first;`);
    await first.close();
    await opened(data).close();
    expect(readdirSync(data)).toEqual(['data-1.log']);
  });

  it.each([
    ['of a process that ended', { host: hostname(), pid: 2 ** 30, birth: '' }, true],
    [
      'of an earlier process with this number',
      { host: hostname(), pid: process.pid, birth: 'boot 1' },
      process.platform === 'linux',
    ],
    ['that was lost with the power', undefined, true],
    ['of another machine', { host: 'another', pid: 1, birth: '' }, false],
    ['of a process that runs', { host: hostname(), pid: process.ppid, birth: '' }, false],
  ])('takes over the lock %s, if it is free', (_, owner, free) => {
    const data = newFolder();
    mkdirSync(join(data, 'lock'), { recursive: true });
    writeFileSync(join(data, 'lock', 'owner'), owner === undefined ? '' : JSON.stringify(owner));
    expect(outcomeOf(() => opened(data))).toBe(free ? 'opened' : 'IN_USE');
  });

  it.skipIf(process.platform === 'win32')('acknowledges nothing that the disk has no room for', async () => {
    const data = newFolder();
    // A limit on the size of files stands in for a full disk: writes fail half-way, as they do there.
    const script = 'ulimit -f 256; exec "$@"';
    const before = ['bash', '-c', script, 'bash'];
    const { child, client } = await served(data, { before, args: [] });
    const container = await itemsIn(client);
    const kept: string[] = [];
    let failure: unknown;
    for (let n = 0; failure === undefined; n++) {
      try {
        await container.items.create({ id: String(n), pk: 'a', filler: 'x'.repeat(20_000) });
        kept.push(String(n));
      } catch (error) {
        failure = error;
      }
    }
    expect(failure).toMatchObject({ code: 507, body: { code: 'InsufficientStorage' } });
    expect((await container.item(String(kept.length), 'a').read()).statusCode).toBe(404);
    expect((await container.item('0', 'a').read()).statusCode).toBe(200);
    // What is small enough still fits.
    expect((await container.items.create({ id: 'small', pk: 'a' })).statusCode).toBe(201);
    child.kill('SIGKILL');
    await once(child, 'close');
    client.dispose();
    const after = containerOf(opened(data));
    const { resources } = await after.items.query<string>('SELECT VALUE c.id FROM c').fetchAll();
    expect(resources).toEqual([...kept, 'small']);
  });

  it('keeps what a snapshot brought back, and gives no resource id twice', async () => {
    const data = newFolder();
    const first = opened(data);
    const before = await itemsIn(new CosmosClient(first.clientOptions()));
    await before.items.create({ id: '1', pk: 'a' });
    const snapshot = first.snapshot();
    const { resource } = await before.items.create({ id: '2', pk: 'a' });
    first.restore(snapshot);
    await first.close();
    const after = containerOf(opened(data));
    expect((await after.item('1', 'a').read()).statusCode).toBe(200);
    expect((await after.item('2', 'a').read()).statusCode).toBe(404);
    expect((await after.items.create({ id: '3', pk: 'a' })).resource?._rid).not.toBe(resource?._rid);
  });

  it('takes no writes after the emulator was closed', async () => {
    const emulator = opened(newFolder());
    const container = await itemsIn(new CosmosClient(emulator.clientOptions()));
    await container.items.create({ id: '1', pk: 'a' });
    await emulator.close();
    const client = new CosmosClient({
      ...emulator.clientOptions(),
      connectionPolicy: { enableEndpointDiscovery: false },
    });
    const late = client.database('db').container('items').items.create({ id: '2', pk: 'a' });
    await expect(late).rejects.toMatchObject({ code: 503 });
    expect((await container.item('1', 'a').read()).statusCode).toBe(200);
    expect(() => emulator.restore(emulator.snapshot())).toThrow('The emulator is closed');
  });
});

function outcomeOf(work: () => unknown): string {
  try {
    work();
    return 'opened';
  } catch (error) {
    return error instanceof DataFolderError ? error.code : String(error);
  }
}

function refusal(work: () => unknown): DataFolderError {
  try {
    work();
  } catch (error) {
    if (error instanceof DataFolderError) return error;
    throw error;
  }
  throw new Error('It was not refused.');
}
