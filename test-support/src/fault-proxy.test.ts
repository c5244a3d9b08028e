import { once } from 'node:events';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { type FaultProxy, startFaultProxy } from './fault-proxy.ts';

let echo: Server;
let proxy: FaultProxy;
const clients: Socket[] = [];

beforeEach(async () => {
  echo = createServer((socket) => socket.on('error', () => undefined).pipe(socket)).listen(0, '127.0.0.1');
  await once(echo, 'listening');
  proxy = await startFaultProxy(`tcp://127.0.0.1:${echoPort()}`);
});

afterEach(async () => {
  for (const client of clients.splice(0)) client.destroy();
  await proxy.close();
  await new Promise((resolve) => echo.close(resolve));
});

function echoPort(): number {
  const address = echo.address();
  if (address === null || typeof address === 'string') throw new Error('no port');
  return address.port;
}

async function dial(): Promise<Socket> {
  const socket = connect(proxy.port, '127.0.0.1');
  clients.push(socket);
  await once(socket, 'connect');
  return socket;
}

async function echoed(socket: Socket, text: string): Promise<string> {
  socket.write(text);
  const [chunk] = (await once(socket, 'data')) as [Buffer];
  return chunk.toString();
}

async function failure(socket: Socket): Promise<string | undefined> {
  const [error] = (await once(socket, 'error')) as [NodeJS.ErrnoException];
  return error.code;
}

test('carries both ways and counts connections', async () => {
  const socket = await dial();
  expect(await echoed(socket, 'hello')).toBe('hello');
  expect(proxy.connections).toBe(1);
  socket.destroy();
  await vi.waitUntil(() => proxy.connections === 0);
});

test('points a URL at itself and keeps the rest of it', () => {
  expect(proxy.through('postgres://u:p@db.example:5432/app?x=1')).toBe(
    `postgres://u:p@127.0.0.1:${proxy.port}/app?x=1`,
  );
});

test('delays each direction', async () => {
  const socket = await dial();
  proxy.set({ latencyMs: 40 });
  const started = performance.now();
  await echoed(socket, 'slow');
  expect(performance.now() - started).toBeGreaterThanOrEqual(78);
});

test('cut resets what is open; the next connection works', async () => {
  const socket = await dial();
  await echoed(socket, 'x');
  const failed = failure(socket);
  proxy.cut();
  expect(await failed).toBe('ECONNRESET');
  expect(await echoed(await dial(), 'again')).toBe('again');
});

test('an armed cut breaks the connection in the middle of a stream', async () => {
  const socket = await dial();
  proxy.set({ cutAfterBytes: 12 });
  expect(await echoed(socket, '12345')).toBe('12345');
  const failed = failure(socket);
  socket.write('67890');
  expect(await failed).toBe('ECONNRESET');
});

test('frozen, nothing flows and nothing closes until it heals', async () => {
  const socket = await dial();
  await echoed(socket, 'x');
  proxy.freeze();
  let answered = false;
  const answer = echoed(socket, 'late').then((text) => {
    answered = true;
    return text;
  });
  const direct = connect(echoPort(), '127.0.0.1');
  clients.push(direct);
  for (let turn = 0; turn < 10; turn++) await echoed(direct, 'time for an answer');
  expect((await dial()).destroyed).toBe(false);
  expect(answered).toBe(false);
  proxy.heal();
  expect(await answer).toBe('late');
});

test('refuses new connections and ends the open ones', async () => {
  const socket = await dial();
  await echoed(socket, 'x');
  const failed = failure(socket);
  proxy.refuse();
  expect(await failed).toBe('ECONNRESET');
  const refused = connect(proxy.port, '127.0.0.1');
  clients.push(refused);
  expect(await failure(refused)).toBe('ECONNRESET');
  proxy.heal();
  expect(await echoed(await dial(), 'healed')).toBe('healed');
});

test('an engine that is away resets the connection', async () => {
  await new Promise((resolve) => echo.close(resolve));
  const socket = connect(proxy.port, '127.0.0.1');
  clients.push(socket);
  expect(await failure(socket)).toBe('ECONNRESET');
});
