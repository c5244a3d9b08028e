import { once } from 'node:events';
import { Agent, request as httpsRequest } from 'node:https';
import { connect, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { CosmosClient } from '@azure/cosmos';
import { afterEach, describe, expect, it } from 'vitest';
import { CosmosEmulator, type Listener, type ListenOptions } from '../src/index.ts';
import { createCertificate } from '../src/tls/certificate.ts';
import { onPk } from './cosmos-setup.ts';

const open: AsyncDisposable[] = [];
afterEach(async () => {
  for (const resource of open.splice(0)) await resource[Symbol.asyncDispose]();
});

async function started(
  options: ListenOptions = {},
): Promise<{ emulator: CosmosEmulator; listener: Listener }> {
  const emulator = new CosmosEmulator();
  open.push(emulator);
  return { emulator, listener: await emulator.listen(options) };
}

function clientOf(emulator: CosmosEmulator, endpoint: string, agent?: Agent): CosmosClient {
  const client = new CosmosClient({ endpoint, key: emulator.key, ...(agent ? { agent } : {}) });
  open.push({
    [Symbol.asyncDispose]: () => {
      client.dispose();
      agent?.destroy();
      return Promise.resolve();
    },
  });
  return client;
}

/** Whether an item can be written and read back. */
async function isServed(client: CosmosClient): Promise<boolean> {
  const { database } = await client.databases.createIfNotExists({ id: 'db' });
  const { container } = await database.containers.createIfNotExists({ id: 'items', partitionKey: onPk });
  await container.items.upsert({ id: '1', pk: 'a' });
  return (await container.item('1', 'a').read()).statusCode === 200;
}

/** Connects, writes, and gives all that comes back until the server ends it. */
async function conversation({ port }: Listener, text: string | Buffer, ending = false): Promise<string> {
  const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true });
  const chunks: Buffer[] = [];
  socket.on('data', (chunk: Buffer) => chunks.push(chunk));
  socket.on('error', () => undefined);
  socket.write(text);
  if (ending) socket.end();
  await new Promise((resolve) => socket.on('end', resolve).on('close', resolve));
  socket.destroy();
  return Buffer.concat(chunks).toString();
}

describe('TLS', () => {
  it.each(['localhost', '127.0.0.1'])('is trusted at %s by its certificate', async (host) => {
    const { emulator, listener } = await started({ tls: true });
    expect(listener.url).toBe(`https://localhost:${listener.port}/`);
    const endpoint = `https://${host}:${listener.port}/`;
    const client = clientOf(emulator, endpoint, new Agent({ ca: listener.certificate, keepAlive: true }));
    expect(await isServed(client)).toBe(true);
    const { resource } = await client.getDatabaseAccount();
    expect(resource?.writableLocations[0]?.databaseAccountEndpoint).toBe(endpoint);
  });

  it('is not trusted without it', async () => {
    const { emulator, listener } = await started({ tls: true });
    const client = clientOf(emulator, listener.url, new Agent());
    await expect(client.getDatabaseAccount()).rejects.toMatchObject({ code: 'SELF_SIGNED_CERT_IN_CHAIN' });
  });

  it('takes a certificate of the caller', async () => {
    const own = createCertificate(['cosmos.test']);
    const { listener } = await started({ tls: { key: own.key, cert: own.cert } });
    expect(listener.certificate).toBe(own.cert);
    const socket = connectTls({ port: listener.port, ca: own.authority, servername: 'cosmos.test' });
    await once(socket, 'secureConnect');
    expect(socket.authorized).toBe(true);
    socket.destroy();
  });

  it('breaks the connection for a fault, as it would without', async () => {
    const { emulator, listener } = await started({ tls: true });
    emulator.faults.add({ reset: 'after', operation: 'create' });
    const client = clientOf(emulator, listener.url, new Agent({ ca: listener.certificate }));
    await expect(client.databases.create({ id: 'x' })).rejects.toMatchObject({ code: 'ECONNRESET' });
    expect((await client.database('x').read()).statusCode).toBe(200);
  });

  it('closes beside connections that never finished their handshake', async () => {
    const { listener } = await started({ tls: true });
    const socket = connect(listener.port, '127.0.0.1');
    socket.on('error', () => undefined);
    await once(socket, 'connect');
    // The server knows of the first connection when it has answered on a second.
    await new Promise((resolve) => {
      const { port, certificate: ca } = listener;
      httpsRequest({ port, ca, agent: false }, (response) => response.resume().on('end', resolve)).end();
    });
    await listener.close();
    await expect.poll(() => socket.closed).toBe(true);
  });
});

describe('the server', () => {
  it('listens on the loopback of IPv4 and of IPv6', async () => {
    const { emulator, listener } = await started();
    for (const host of ['127.0.0.1', 'localhost']) {
      expect(await isServed(clientOf(emulator, `http://${host}:${listener.port}/`))).toBe(true);
    }
    // The client of the SDK cannot reach an IPv6 address, whatever listens there.
    expect((await fetch(`http://[::1]:${listener.port}/dbs`)).status).toBe(401);
  });

  it('rejects a port that is taken, whichever loopback it is taken on', async () => {
    const { emulator, listener } = await started({ host: '::1' });
    await expect(emulator.listen({ port: listener.port })).rejects.toMatchObject({ code: 'EADDRINUSE' });
    await expect(emulator.listen({ port: listener.port, host: '::1' })).rejects.toMatchObject({
      code: 'EADDRINUSE',
    });
    const other = await emulator.listen({ port: listener.port, host: '127.0.0.1' });
    expect(other.url).toBe(`http://127.0.0.1:${listener.port}/`);
  });

  it('keeps connections for the next request', async () => {
    const { listener } = await started();
    const request = 'GET / HTTP/1.1\r\nHost: x\r\n\r\n';
    const answers = await conversation(listener, `${request}${request}`, true);
    expect(answers.match(/HTTP\/1.1 401/g)).toHaveLength(2);
  });

  it('answers a client that has closed its half', async () => {
    const { listener } = await started();
    const answer = await conversation(listener, 'GET / HTTP/1.1\r\nHost: x\r\n\r\n', true);
    expect(answer).toMatch(/^HTTP\/1.1 401 /);
  });

  it('reads what is too long to its end, and answers 413', async () => {
    const { emulator, listener } = await started();
    const length = 30 * 1024 * 1024;
    const head = `POST /dbs HTTP/1.1\r\nHost: x\r\nContent-Length: ${length}\r\n\r\n`;
    const answer = await conversation(
      listener,
      Buffer.concat([Buffer.from(head), Buffer.alloc(length, 'x')]),
    );
    expect(answer).toMatch(/^HTTP\/1.1 413 /);
    expect(answer).toContain('"code":"RequestEntityTooLarge"');
    expect(await isServed(clientOf(emulator, listener.url))).toBe(true);
  });

  it('gives up on requests that do not arrive', async () => {
    const { emulator, listener } = await started({ requestTimeoutMs: 50 });
    const unfinished = [
      '',
      'GET / HT',
      'GET / HTTP/1.1\r\nHost: x\r\nx-a: ',
      'POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n{',
    ];
    for (const answer of await Promise.all(unfinished.map((text) => conversation(listener, text)))) {
      expect(answer).toMatch(/^(HTTP\/1.1 408 |$)/);
    }
    expect(await isServed(clientOf(emulator, listener.url))).toBe(true);
  });

  it('answers a header over the limit with 431', async () => {
    const { listener } = await started();
    const answer = await conversation(listener, `GET / HTTP/1.1\r\nx-a: ${'x'.repeat(100_000)}\r\n\r\n`);
    expect(answer).toMatch(/^HTTP\/1.1 431 /);
  });

  it('goes on after ten thousand connections that were opened and dropped', async () => {
    const { emulator, listener } = await started();
    const drop = async (at: number): Promise<void> => {
      const socket: Socket = connect(listener.port, '127.0.0.1');
      socket.on('error', () => undefined);
      await once(socket, 'connect');
      if (at % 3 === 1) socket.write('POST /dbs HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{');
      if (at % 2 === 0) socket.destroy();
      else socket.resetAndDestroy();
      await once(socket, 'close');
    };
    for (let round = 0; round < 200; round++)
      await Promise.all(Array.from({ length: 50 }, (_, at) => drop(at)));
    expect(await isServed(clientOf(emulator, listener.url))).toBe(true);
  });

  it('lets go of a request that a fault holds when its client leaves, or when it closes', async () => {
    const { emulator, listener } = await started();
    const held = { gate: Promise.withResolvers<void>().promise, operation: 'create' } as const;
    const client = clientOf(emulator, listener.url);
    const fault = emulator.faults.add({ ...held, count: 2 });
    const abort = new AbortController();
    const left = client.databases.create({ id: 'left' }, { abortSignal: abort.signal });
    await expect.poll(() => fault.hits).toBe(1);
    abort.abort();
    await expect(left).rejects.toMatchObject({ name: 'AbortError' });
    const cut = client.databases.create({ id: 'cut' });
    await expect.poll(() => fault.hits).toBe(2);
    const before = performance.now();
    await Promise.all([listener.close(), expect(cut).rejects.toMatchObject({ code: 'ECONNRESET' })]);
    expect(performance.now() - before).toBeLessThan(1500);
    const inside = new CosmosClient(emulator.clientOptions());
    expect((await inside.databases.readAll().fetchAll()).resources).toEqual([]);
  });
});
