import {
  type Entity,
  InvalidOptionsError,
  parseConfig,
  partitionOf,
  type ResolvedConfig,
} from '@polyphase/core';
import type { HybridStores } from '../hybrid-options.ts';

/**
 * A config of entities and stores, checked as a whole.
 *
 * @throws `InvalidOptionsError` with every problem
 */
export function resolveConfig(
  config: unknown,
  entities: readonly Entity<object>[],
  stores: HybridStores,
): ResolvedConfig {
  const plain = typeof config === 'object' && config !== null && 'loaded' in config ? config.loaded : config;
  const resolved = parseConfig(
    plain,
    entities.map((entity) => entity.name),
  );
  const problems: string[] = [];
  for (const [name, policy] of resolved.entities) {
    const needs = (what: 'cosmos' | 'postgres' | 'cache') => {
      if (!stores[what])
        problems.push(`entities.${name}: its policy needs the ${what} store, which was not given`);
    };
    if (policy.cacheTtlMs !== undefined) needs('cache');
    if (policy.wish.phase !== '6' && policy.wish.phase !== '7') needs('cosmos');
    if (policy.wish.phase !== '0') needs('postgres');
    const levels = entities.find((entity) => entity.name === name)?.key.partition.length;
    for (const text of policy.reads.partitions)
      if (partitionOf(text).length !== levels)
        problems.push(
          `entities.${name}.reads.postgres.partitions: ${text} has not as many levels as the partition key of the entity: ${levels}`,
        );
  }
  if (problems.length > 0)
    throw new InvalidOptionsError({ message: 'The config is not usable; the running one stays', problems });
  return resolved;
}

/**
 * Refuses a config that may not follow the one that runs.
 *
 * @throws `InvalidOptionsError` when the revision is lower, or the same and says something else
 */
export function checkRevision(running: ResolvedConfig, next: ResolvedConfig): void {
  const refuse = (message: string) => new InvalidOptionsError({ message });
  if (next.revision < running.revision)
    throw refuse(
      `Config revision ${next.revision} is lower than ${running.revision}, which runs; raise it to change anything`,
    );
  const text = (config: ResolvedConfig) =>
    JSON.stringify([...config.entities].toSorted(([a], [b]) => (a < b ? -1 : 1)));
  if (next.revision === running.revision && text(next) !== text(running))
    throw refuse(
      `Config revision ${next.revision} runs already and says something else; raise it to change anything`,
    );
}
