import { mkdtempSync, rmSync } from 'node:fs';
import { Agent, request as httpRequest } from 'node:http';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { CosmosClient } from '@azure/cosmos';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { CosmosEmulator, type Listener } from '../src/index.ts';
import { onPk } from './cosmos-setup.ts';
import { createRandom } from './fuzz/random.ts';
import { type FuzzRequest, requestMaker } from './fuzz/requests.ts';

// A run is told by its seed: FUZZ_SEED=7 FUZZ_REQUESTS=100000 runs another, longer one.
const seed = Number(process.env.FUZZ_SEED ?? 1);
const requests = Number(process.env.FUZZ_REQUESTS ?? 3000);
/** Far above what any answer takes, on a machine that is busy with other things. */
const longestMs = 5000;

interface Answer {
  readonly status: number;
  readonly body: string;
}

type Send = (request: FuzzRequest) => Promise<Answer>;

let emulator: CosmosEmulator;
let client: CosmosClient;
beforeEach(async () => {
  emulator = new CosmosEmulator({ partitions: 2 });
  client = new CosmosClient(emulator.clientOptions());
  await refill();
});
afterEach(() => emulator.close());

/** What requests speak of; some of them delete it. */
async function refill(): Promise<void> {
  const { database } = await client.databases.createIfNotExists({ id: 'db' });
  const { container } = await database.containers.createIfNotExists({ id: 'items', partitionKey: onPk });
  for (let at = 0; at < 10; at++) {
    await container.items.upsert({ id: String(at), pk: 'a', n: at, list: [1, { a: at }] });
  }
}

/** What a good request finds, after all that came before. */
async function stillFound(): Promise<unknown> {
  await refill();
  const { containers } = client.database('db');
  const { container } = await containers.createIfNotExists({ id: 'sound', partitionKey: onPk });
  await container.items.upsert({ id: 'x', pk: 'a', n: 1 });
  return (await container.items.query('SELECT VALUE c.n FROM c WHERE c.pk = "a"').fetchAll()).resources;
}

function inProcess(): Send {
  const http = emulator.httpClient();
  return async ({ method, path, headers, body }) => {
    const url = `https://fuzz.invalid${path}`;
    const response = await http.sendRequest({ url, method, headers: Object.entries(headers), body });
    return { status: response.status, body: response.bodyAsText };
  };
}

function overHttp({ port }: Listener, agent: Agent): Send {
  return ({ method, path, headers, body }) =>
    new Promise((resolve, reject) => {
      const options = { port, host: '127.0.0.1', method, path, headers, agent };
      const request = httpRequest(options, (response) => {
        const chunks: Buffer[] = [];
        response.on('data', (chunk: Buffer) => chunks.push(chunk));
        response.on('end', () =>
          resolve({ status: response.statusCode ?? 0, body: Buffer.concat(chunks).toString() }),
        );
      });
      request.on('error', reject);
      request.end(body);
    });
}

/** Sends so many requests, and gives what is wrong with the first one that is not answered as it has to be. */
async function attack(send: Send, count: number): Promise<string | undefined> {
  const next = requestMaker(createRandom(seed), emulator.key);
  for (let at = 0; at < count; at++) {
    const request = next();
    const start = performance.now();
    const { status, body } = await send(request);
    const ms = performance.now() - start;
    if (status < 200 || status >= 600 || body.includes('The emulator failed') || ms > longestMs) {
      return `request ${at}: ${JSON.stringify(request)} was answered with ${status} in ${ms} ms: ${body}`;
    }
    if (at % 500 === 499) await refill();
  }
  return undefined;
}

/** All but the number of resource ids given out: those that refused requests took are not kept. */
function stateOf(one: CosmosEmulator): unknown[] {
  return one
    .snapshot()
    .entries.map((text): unknown => JSON.parse(text))
    .slice(1);
}

describe(`chance, of seed ${seed},`, () => {
  const timeout = 60_000 + requests * 10;

  it('as requests in process finds an answer to each', { timeout }, async () => {
    expect(await attack(inProcess(), requests)).toBeUndefined();
    expect(await stillFound()).toEqual([1]);
  });

  it('as requests over HTTP finds an answer to each', { timeout }, async () => {
    const agent = new Agent({ keepAlive: true });
    const listener = await emulator.listen();
    expect(await attack(overHttp(listener, agent), Math.ceil(requests / 3))).toBeUndefined();
    expect(await stillFound()).toEqual([1]);
    agent.destroy();
  });

  it('leaves a state that its data folder and its snapshot give back', { timeout }, async () => {
    const data = mkdtempSync(join(tmpdir(), 'cosmos-emulator-fuzz-'));
    emulator = new CosmosEmulator({ partitions: 2, data });
    client = new CosmosClient(emulator.clientOptions());
    await refill();
    expect(await attack(inProcess(), Math.ceil(requests / 3))).toBeUndefined();
    const state = stateOf(emulator);
    await emulator.close();
    emulator = new CosmosEmulator({ data });
    expect(stateOf(emulator)).toEqual(state);
    const other = new CosmosEmulator();
    other.restore(emulator.snapshot());
    expect(stateOf(other)).toEqual(state);
    await emulator.close();
    rmSync(data, { recursive: true });
  });

  it('as bytes on a socket does not stop the server', async () => {
    const listener = await emulator.listen();
    const random = createRandom(seed);
    const starts = [
      '',
      'GET / HTTP/1.1\r\n',
      'POST /dbs HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n',
    ];
    for (let at = 0; at < 200; at++) {
      await new Promise<void>((resolve) => {
        const socket = connect(listener.port, '127.0.0.1');
        socket.on('error', () => resolve()).on('close', () => resolve());
        socket.write(random.pick(starts));
        socket.end(Buffer.from(Array.from({ length: random.below(2000) }, () => random.below(256))));
        socket.resume();
      });
    }
    expect(await stillFound()).toEqual([1]);
  });
});
