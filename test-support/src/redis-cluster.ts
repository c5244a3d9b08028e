import { setTimeout as delay } from 'node:timers/promises';
import { Redis } from 'ioredis';
import { freePort } from './free-port.ts';
import { LocalRedis } from './local-redis.ts';
import { localRedis } from './redis-server.ts';

const MASTERS = 3;
const SLOTS = 16_384;
const SETTINGS = {
  'cluster-enabled': 'yes',
  'cluster-node-timeout': '1000',
  // A replica takes over however long it has not heard of its master.
  'cluster-replica-validity-factor': '0',
  'cluster-allow-replica-migration': 'no',
  'repl-diskless-sync-delay': '0',
  'repl-ping-replica-period': '1',
};
const POLL_MS = 20;
const PATIENCE_MS = 30_000;

/** One server of a {@link RedisCluster}. */
export interface RedisNode {
  readonly host: string;
  readonly port: number;
  /** A connection to this server alone; closed with the cluster. */
  readonly direct: Redis;
  /** Ends the server as a crash does. */
  kill(): Promise<void>;
}

/** Three masters with a replica each, on loopback. */
export interface RedisCluster {
  readonly nodes: readonly RedisNode[];
  /** Who holds the slot of a key now: its master, and a replica that knows of it. */
  holders(key: string): Promise<{ readonly master: RedisNode; readonly replica: RedisNode }>;
  stop(): Promise<void>;
}

/**
 * A Redis Cluster of our own: `redis-server` 7 or later of this machine, else the distribution's. It never outlives this process.
 * @throws {@link EngineMissingError} when there is none
 */
export async function startRedisCluster(): Promise<RedisCluster> {
  const binary = await localRedis();
  const settings = async (): Promise<readonly string[]> =>
    Object.entries({ ...SETTINGS, 'cluster-port': String(await freePort()) }).flatMap(([name, value]) => [
      `--${name}`,
      value,
    ]);
  const servers = Array.from({ length: 2 * MASTERS }, () => new LocalRedis({ binary, settings }));
  const clients: Redis[] = [];
  const stop = async (): Promise<void> => {
    for (const client of clients) client.disconnect();
    await Promise.all(servers.map((server) => server.stop()));
  };
  try {
    await Promise.all(servers.map((server) => server.start()));
    const nodes = servers.map((server) => nodeOf(server));
    clients.push(...nodes.map((node) => node.direct));
    await form(nodes);
    return { nodes, holders: (key) => holders(nodes, key), stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** A server with a connection to it alone. */
export function nodeOf(server: LocalRedis): RedisNode {
  const host = '127.0.0.1';
  const direct = new Redis(server.port, host, { retryStrategy: () => POLL_MS, maxRetriesPerRequest: 0 });
  direct.on('error', () => undefined);
  return { host, port: server.port, direct, kill: () => server.kill() };
}

/** Asks again until the answer fits. */
export async function until(fits: () => Promise<boolean>, what: string): Promise<void> {
  const deadline = Date.now() + PATIENCE_MS;
  while (!(await fits())) {
    if (Date.now() > deadline) throw new Error(`${what} not within ${PATIENCE_MS} ms`);
    await delay(POLL_MS);
  }
}

async function form(nodes: readonly RedisNode[]): Promise<void> {
  const [first] = nodes;
  const busOf = async (node: RedisNode | undefined) =>
    (await node?.direct.config('GET', 'cluster-port'))?.[1] ?? '';
  const bus = await busOf(first);
  for (const [i, { direct }] of nodes.entries()) {
    await direct.cluster('SET-CONFIG-EPOCH', i + 1);
    if (i > 0) await direct.call('CLUSTER', 'MEET', '127.0.0.1', String(first?.port), bus);
  }
  const masters = nodes.slice(0, MASTERS);
  for (const [i, { direct }] of masters.entries()) {
    const [from, to] = [i, i + 1].map((part) => Math.floor((part * SLOTS) / MASTERS));
    await direct.call('CLUSTER', 'ADDSLOTSRANGE', String(from), String((to ?? 0) - 1));
  }
  const ids = await Promise.all(masters.map(({ direct }) => direct.cluster('MYID')));
  const replicas = nodes.slice(MASTERS);
  // A node that has not heard of its master yet refuses to follow it.
  const followed = replicas.map(({ direct }, i) =>
    until(
      () =>
        direct.cluster('REPLICATE', String(ids[i])).then(
          () => true,
          () => false,
        ),
      'a replica that knows its master',
    ),
  );
  await Promise.all(followed);
  await until(async () => (await Promise.all(nodes.map(isJoined))).every(Boolean), 'a cluster');
}

// From where a node stands, every slot has a master and a replica that follows it.
async function isJoined({ direct }: RedisNode): Promise<boolean> {
  const ranges = await direct.cluster('SLOTS');
  const info = await direct.cluster('INFO');
  return (
    info.includes('cluster_state:ok') &&
    ranges.length === MASTERS &&
    ranges.every(([, , ...held]) => held.length === 2)
  );
}

async function holders(
  nodes: readonly RedisNode[],
  key: string,
): Promise<{ readonly master: RedisNode; readonly replica: RedisNode }> {
  const alive = nodes.filter(({ direct }) => direct.status === 'ready');
  for (const { direct } of alive) {
    const slot = await direct.cluster('KEYSLOT', key);
    const range = (await direct.cluster('SLOTS')).find(([from, to]) => from <= slot && slot <= to);
    const [, , ...held] = range ?? [0, 0];
    const [master, replica] = held.map(([, port]) => nodes.find((node) => node.port === port));
    if (master && replica) return { master, replica };
  }
  throw new Error('no master with a replica holds the slot of the key');
}
