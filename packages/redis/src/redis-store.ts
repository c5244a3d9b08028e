import { type CacheStore, type Clock, InvalidOptionsError, systemClock } from '@polyphase/core';
import { RedisCache } from './redis-cache.ts';
import { type RedisClient, RedisLink } from './redis-link.ts';

/** Options of {@link redisStore}. */
export interface RedisStoreOptions {
  /**
   * An ioredis client of Redis 6.2 or later: `Redis`, also with `sentinels`, or `Cluster`. It must read from masters alone. It is
   * never closed here.
   */
  readonly client: RedisClient;
  /** Starts every key. @default "polyphase:" */
  readonly prefix?: string;
  /** Longest wait for one command, in milliseconds; then a `TimeoutError`. @default 250 */
  readonly timeoutMs?: number;
  /** How long one loader may take before another may load, in milliseconds. @default 5000 */
  readonly leaseMs?: number;
  /**
   * How long a writer keeps fills out when it does not come back, in milliseconds. Must be longer than any write to the
   * authority can take. @default 30000
   */
  readonly guardMs?: number;
  /** After three failures in a row calls fail at once for this long, in milliseconds; invalidations are tried all the same. @default 1000 */
  readonly pauseMs?: number;
  /** Times the pauses. @default the system's clock */
  readonly clock?: Clock;
}

/**
 * A cache in Redis that is never stale after an acknowledged write.
 *
 * Guarantee: a dead or silent Redis costs a call at most `timeoutMs` and ends it with a `ConnectionError` or `TimeoutError`; the
 * client is never closed, and its `error` events are listened to, so that they neither end the process nor fill its output.
 *
 * On a Cluster every key is by itself, so no two need one slot. Replication is asynchronous: what a failover loses is bounded by the
 * time to live of entries.
 *
 * @throws `InvalidOptionsError` with every option that is wrong; a client that reads from replicas is one
 * @example
 * ```ts
 * import { Redis } from 'ioredis';
 * import { redisStore } from '@polyphase/redis';
 *
 * const client = new Redis('redis://localhost:6379');
 * const store = redisStore({ client, prefix: 'app:', timeoutMs: 100 });
 * const cache = store.cache('accounts');
 * ```
 */
export function redisStore(options: RedisStoreOptions): CacheStore {
  const checked = checkedOptions(options);
  const { prefix, leaseMs, guardMs } = checked;
  const link = new RedisLink(checked);
  return {
    kind: 'cache',
    cache: (namespace) => new RedisCache({ link, prefix, namespace, leaseMs, guardMs }),
  };
}

function checkedOptions(options: RedisStoreOptions): Required<RedisStoreOptions> {
  const { client, prefix = 'polyphase:', clock = systemClock } = options;
  const { timeoutMs = 250, leaseMs = 5_000, guardMs = 30_000, pauseMs = 1_000 } = options;
  const problems: string[] = [];
  const methods = ['get', 'eval', 'evalsha', 'on'] as const;
  if (methods.some((method) => typeof client?.[method] !== 'function'))
    problems.push('client: must be an ioredis client; make one with new Redis(url)');
  problems.push(...replicaProblems(client?.options));
  if (typeof prefix !== 'string') problems.push('prefix: must be text');
  for (const [name, ms] of Object.entries({ timeoutMs, leaseMs, guardMs, pauseMs }))
    if (!Number.isInteger(ms) || ms < 1 || ms > 86_400_000)
      problems.push(`${name}: must be a whole number of milliseconds from 1 to 86400000`);
  if (problems.length > 0)
    throw new InvalidOptionsError({ message: 'The Redis store cannot be made', problems });
  return { client, prefix, timeoutMs, leaseMs, guardMs, pauseMs, clock };
}

// A replica lags behind its master: it would answer with what an acknowledged write has invalidated.
function replicaProblems(options: RedisClient['options'] = {}): readonly string[] {
  const { scaleReads = 'master', role = 'master', readOnly = false } = options;
  return [
    ...(scaleReads === 'master' ? [] : ['client: must not read from replicas; leave out scaleReads']),
    ...(role === 'master' && readOnly === false
      ? []
      : ['client: must not read from replicas; leave out role and readOnly']),
  ];
}
