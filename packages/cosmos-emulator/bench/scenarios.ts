import { ChangeFeedStartFrom, type Container, type CosmosClient } from '@azure/cosmos';
import { CosmosEmulator } from '../src/index.ts';
import { type Connection, inFolder, inProcess, overNetwork } from './connections.ts';

/** One figure: how it is measured, and what it has to be. */
export interface Scenario {
  readonly name: string;
  readonly unit: 'ms' | '1/s';
  /** At least this for a rate, at most this for a time; undefined where the figure is for information. */
  readonly goal: number | undefined;
  /** Makes one measurement. */
  measure(): Promise<Figures>;
}

/** A figure by the clock on the wall, and by what this process used of a processor: the second hardly minds a busy machine. */
export interface Figures {
  readonly wall: number;
  readonly cpu: number;
}

/** Requests under way at once, as in a service with some load. */
const concurrency = 16;
/** Queries in a row for one measurement: a single one is over before the machine has done anything else. */
const repetitions = 20;
const filler = 'x'.repeat(500);
let names = 0;

/** Sets everything up once. The connections are closed by `close`. */
export async function createScenarios(): Promise<{ scenarios: Scenario[]; close(): Promise<void> }> {
  const inside = inProcess();
  const http = await overNetwork(false);
  const tls = await overNetwork(true);
  const folder = inFolder('process');
  const flushed = inFolder('power');
  const large = await filled(inside.client, 10_000);
  const changed = await filled(inside.client, 20_000);
  const scenarios = [
    construction,
    creates('creates, in process', inside, { count: 2000, goal: 1500 }),
    reads('point reads, in process', inside, { count: 4000, goal: 3000 }),
    creates('creates, HTTP', http, { count: 1000, goal: 1000 }),
    reads('point reads, HTTP', http, { count: 2000, goal: 1700 }),
    creates('creates, HTTPS', tls, { count: 1000, goal: undefined }),
    reads('point reads, HTTPS', tls, { count: 2000, goal: undefined }),
    creates('creates, data folder', folder, { count: 2000, goal: undefined }),
    creates('creates, data folder that survives power loss', flushed, { count: 500, goal: undefined }),
    query('filter over 10,000 documents of a partition', large, 'c.n = 4711'),
    query('top 10 of 10,000 documents by order', large, 'c.n >= 0 ORDER BY c.n DESC OFFSET 0 LIMIT 10'),
    drain(changed, 20_000),
  ];
  const connections: Connection[] = [inside, http, tls, folder, flushed];
  const close = async (): Promise<void> => {
    for (const connection of connections) await connection.close();
  };
  return { scenarios, close };
}

const construction: Scenario = {
  name: 'construction',
  unit: 'ms',
  goal: 100,
  async measure() {
    const made: CosmosEmulator[] = [];
    const taken = await timed(() => Promise.resolve(made.push(new CosmosEmulator())));
    for (const emulator of made) await emulator.close();
    return taken;
  },
};

function creates(
  name: string,
  { client }: Connection,
  { count, goal }: { count: number; goal: number | undefined },
): Scenario {
  return {
    name,
    unit: '1/s',
    goal,
    async measure() {
      const container = await newContainer(client);
      return rate(count, (at) => container.items.create({ id: String(at), pk: `p${at % 50}`, at, filler }));
    },
  };
}

function reads(
  name: string,
  { client }: Connection,
  { count, goal }: { count: number; goal: number | undefined },
): Scenario {
  let items: Promise<Container> | undefined;
  return {
    name,
    unit: '1/s',
    goal,
    async measure() {
      const container = await (items ??= filled(client, 1000));
      return rate(count, (at) => container.item(String(at % 1000), 'p').read());
    },
  };
}

function query(name: string, container: Container, filter: string): Scenario {
  return {
    name,
    unit: 'ms',
    goal: 10,
    async measure() {
      const text = `SELECT * FROM c WHERE c.pk = 'p' AND ${filter}`;
      const { wall, cpu } = await timed(async () => {
        for (let left = repetitions; left > 0; left--) {
          await container.items.query(text, { partitionKey: 'p' }).fetchAll();
        }
      });
      return { wall: wall / repetitions, cpu: cpu / repetitions };
    },
  };
}

function drain(container: Container, count: number): Scenario {
  return {
    name: 'draining a feed of 20,000 changes',
    unit: 'ms',
    goal: 1000,
    measure: () => timed(() => drained(container, count)),
  };
}

async function drained(container: Container, count: number): Promise<void> {
  const changeFeedStartFrom = ChangeFeedStartFrom.Beginning();
  const feed = container.items.getChangeFeedIterator({ changeFeedStartFrom, maxItemCount: 1000 });
  let found = 0;
  for (let page = await feed.readNext(); page.statusCode !== 304; page = await feed.readNext()) {
    found += page.result.length;
  }
  if (found !== count) throw new Error(`${found} changes came of ${count}.`);
}

async function newContainer(client: CosmosClient): Promise<Container> {
  const { database } = await client.databases.createIfNotExists({ id: 'bench' });
  return (await database.containers.create({ id: `c${++names}`, partitionKey: '/pk' })).container;
}

async function filled(client: CosmosClient, count: number): Promise<Container> {
  const container = await newContainer(client);
  await rate(count, (at) => container.items.create({ id: String(at), pk: 'p', n: at, filler }));
  return container;
}

/** Does the work so many times, a few at once, and gives how often in a second. */
async function rate(count: number, work: (at: number) => Promise<unknown>): Promise<Figures> {
  let next = 0;
  const lane = async (): Promise<void> => {
    while (next < count) await work(next++);
  };
  const { wall, cpu } = await timed(() => Promise.all(Array.from({ length: concurrency }, lane)));
  return { wall: (count / wall) * 1000, cpu: (count / cpu) * 1000 };
}

/** Milliseconds that some work takes. */
async function timed(work: () => Promise<unknown>): Promise<Figures> {
  const start = performance.now();
  const used = process.cpuUsage();
  await work();
  const wall = performance.now() - start;
  const { user, system } = process.cpuUsage(used);
  return { wall, cpu: (user + system) / 1000 };
}
