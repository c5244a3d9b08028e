import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { LocalRedis } from './local-redis.ts';
import { nodeOf, type RedisNode, until } from './redis-cluster.ts';
import { localRedis } from './redis-server.ts';

// A busy machine must not make a sentinel give up a master that is there; one that was killed is given up soon.
const PATIENT_MS = 60_000;
const DOWN_AFTER_MS = 1_000;
const FAILOVER_MS = 2_000;
const NAME = 'cache';

/** A master, its replica, and the one sentinel that watches both. */
export interface RedisSentinel {
  /** Where sentinels are, and what they call the master: options of an ioredis client. */
  readonly options: { readonly sentinels: { host: string; port: number }[]; readonly name: string };
  readonly master: RedisNode;
  readonly replica: RedisNode;
  readonly sentinel: RedisNode;
  stop(): Promise<void>;
}

/**
 * A Redis under a sentinel of our own: `redis-server` of this machine, else the distribution's. It never outlives this process.
 * @throws {@link EngineMissingError} when there is none
 */
export async function startRedisSentinel(): Promise<RedisSentinel> {
  const binary = await localRedis();
  const master = new LocalRedis({
    binary,
    settings: async () => ['--repl-diskless-sync-delay', '0'],
  });
  const replica = new LocalRedis({
    binary,
    settings: async () => ['--replicaof', '127.0.0.1', String(master.port)],
  });
  const sentinel = new LocalRedis({
    binary,
    settings: async (home) => [configOf(home, master.port), '--sentinel'],
    ready: /Sentinel ID is/,
  });
  const servers = [master, replica, sentinel];
  const nodes: RedisNode[] = [];
  const stop = async (): Promise<void> => {
    for (const { direct } of nodes) direct.disconnect();
    await Promise.all(servers.map((server) => server.stop()));
  };
  try {
    await master.start();
    await replica.start();
    const [first, second] = [nodeOf(master), nodeOf(replica)];
    nodes.push(first, second);
    const isSynced = async () => /master_link_status:up/.test(await second.direct.info('replication'));
    await until(isSynced, 'a replica in step');
    await sentinel.start();
    const watcher = nodeOf(sentinel);
    nodes.push(watcher);
    await until(async () => {
      const replicas = await watcher.direct.call('SENTINEL', 'REPLICAS', NAME);
      return /"master-link-status"[,:]"ok"/.test(JSON.stringify(replicas));
    }, 'a sentinel that knows the replica');
    const options = { sentinels: [{ host: watcher.host, port: watcher.port }], name: NAME };
    const kill = async (): Promise<void> => {
      await first.kill();
      const wait = String(DOWN_AFTER_MS);
      await watcher.direct.call('SENTINEL', 'SET', NAME, 'down-after-milliseconds', wait);
    };
    return { options, master: { ...first, kill }, replica: second, sentinel: watcher, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

// A sentinel writes what it learns into its configuration, so it has a file of its own.
function configOf(home: string, masterPort: number): string {
  const file = join(home, 'sentinel.conf');
  const lines = [
    `sentinel monitor ${NAME} 127.0.0.1 ${masterPort} 1`,
    `sentinel down-after-milliseconds ${NAME} ${PATIENT_MS}`,
    `sentinel failover-timeout ${NAME} ${FAILOVER_MS}`,
  ];
  writeFileSync(file, `${lines.join('\n')}\n`);
  return file;
}
