import { z } from 'zod';
import type { Wish } from './control.ts';
import { type Duration, parseDuration } from './duration.ts';
import { InvalidOptionsError } from './errors.ts';

/** Cosmos DB alone. */
export interface CosmosOnlyPolicy {
  readonly policy: 'cosmos-only';
  /** Whether a step that moves the authority may be taken without a person's word. @default "manual" */
  readonly flip?: 'auto' | 'manual';
}

/** Cosmos DB decides; PostgreSQL follows, by a second write and the change feed. */
export interface DualWritePolicy {
  readonly policy: 'dual-write';
  /** Which store answers reads: PostgreSQL only where it is fresh, else Cosmos DB. @default "cosmos" */
  readonly reads?: 'cosmos' | 'postgres';
  /** How far PostgreSQL may be behind and still answer. @default 1000 */
  readonly maxStaleness?: Duration;
  /** Whether a step that moves the authority may be taken without a person's word. @default "manual" */
  readonly flip?: 'auto' | 'manual';
}

/** PostgreSQL decides. */
export interface PostgresPrimaryPolicy {
  readonly policy: 'postgres-primary';
  /** Whether Cosmos DB follows, so that the way back stays open. @default true */
  readonly reverseSync?: boolean;
  /** Whether a step that moves the authority may be taken without a person's word. @default "manual" */
  readonly flip?: 'auto' | 'manual';
}

/** A policy that says where records live. */
export type StorePolicy = CosmosOnlyPolicy | DualWritePolicy | PostgresPrimaryPolicy;

/** Reads by key through a cache that is never stale after an acknowledged write, over any other policy. */
export interface CachedPolicy {
  readonly policy: 'cached';
  /** How long an entry may live. */
  readonly ttl: Duration;
  readonly over: StorePolicy;
}

/** What config asks for one entity. */
export type EntityPolicy = StorePolicy | CachedPolicy;

/** What config asks: plain data, from an object or a file, checked as a whole. */
export interface PolyphaseConfig<Name extends string = string> {
  /** Rises with each change. A lower one is refused; an equal one must say the same. */
  readonly revision: number;
  /** One policy for each entity. */
  readonly entities: { readonly [Entity in Name]: EntityPolicy };
}

/** An entity's policy with every default filled in. */
export interface ResolvedPolicy {
  readonly wish: Wish;
  readonly maxStalenessMs: number;
  /** Milliseconds that a cache entry may live; undefined: no cache. */
  readonly cacheTtlMs: number | undefined;
}

/** A config that was checked. */
export interface ResolvedConfig {
  readonly revision: number;
  readonly entities: ReadonlyMap<string, ResolvedPolicy>;
}

const duration = z.custom<Duration>(
  (it) => parseDuration(it) !== undefined,
  'must be milliseconds, or text such as "250ms" or "5m"; it must not be negative',
);
const flip = z.enum(['auto', 'manual']).optional();
const storePolicies = [
  z.strictObject({ policy: z.literal('cosmos-only'), flip }),
  z.strictObject({
    policy: z.literal('dual-write'),
    reads: z.enum(['cosmos', 'postgres']).optional(),
    maxStaleness: duration.optional(),
    flip,
  }),
  z.strictObject({ policy: z.literal('postgres-primary'), reverseSync: z.boolean().optional(), flip }),
] as const;
const UNKNOWN_POLICY = 'must be "cosmos-only", "dual-write", "postgres-primary" or "cached"';
const storePolicy = z.discriminatedUnion('policy', storePolicies, {
  error: 'must be "cosmos-only", "dual-write" or "postgres-primary"',
});
const positive = duration.refine((it) => (parseDuration(it) ?? 0) > 0, 'must be longer than 0');
const entityPolicy = z.discriminatedUnion(
  'policy',
  [...storePolicies, z.strictObject({ policy: z.literal('cached'), ttl: positive, over: storePolicy })],
  { error: (issue) => (issue.code === 'invalid_union' ? UNKNOWN_POLICY : undefined) },
);
const configSchema = z.strictObject({
  revision: z.int('must be a whole number').nonnegative('must not be negative'),
  entities: z.record(z.string(), entityPolicy),
});

function wishOf(policy: StorePolicy, revision: number): Wish {
  const wanted = (phase: Wish['phase']): Wish => ({ phase, flip: policy.flip ?? 'manual', revision });
  if (policy.policy === 'cosmos-only') return wanted('0');
  if (policy.policy === 'dual-write') return wanted(policy.reads === 'postgres' ? '3' : '2');
  return wanted((policy.reverseSync ?? true) ? '6' : '7');
}

// What a policy means, with every default filled in.
function resolvePolicy(policy: EntityPolicy, revision: number): ResolvedPolicy {
  const over = policy.policy === 'cached' ? policy.over : policy;
  const staleness = over.policy === 'dual-write' ? over.maxStaleness : undefined;
  return {
    wish: wishOf(over, revision),
    maxStalenessMs: parseDuration(staleness) ?? 1_000,
    cacheTtlMs: policy.policy === 'cached' ? parseDuration(policy.ttl) : undefined,
  };
}

/**
 * Checks a config as a whole.
 *
 * @param known - names of the entities that are registered: each must have a policy, and no other may
 *
 * @example
 * ```ts
 * import { parseConfig } from '@polyphase/core';
 *
 * const config = { revision: 7, entities: { accounts: { policy: 'dual-write', reads: 'postgres' } } };
 * parseConfig(config, ['accounts']).entities.get('accounts')?.wish; // { phase: '3', flip: 'manual', revision: 7 }
 * ```
 *
 * @throws {@link InvalidOptionsError} with every problem: unknown policy, `cached` over `cached`, negative durations, unknown or
 * missing entities, unknown fields
 */
export function parseConfig(config: unknown, known: readonly string[]): ResolvedConfig {
  const parsed = configSchema.safeParse(config);
  const problems = parsed.success
    ? []
    : parsed.error.issues.map((issue) => `${issue.path.map(String).join('.') || 'config'}: ${issue.message}`);
  const named = parsed.success ? Object.keys(parsed.data.entities) : [];
  if (parsed.success) {
    for (const name of named)
      if (!known.includes(name))
        problems.push(
          `entities.${name}: no such entity is registered; there are ${known.join(', ') || 'none'}`,
        );
    for (const name of known) if (!named.includes(name)) problems.push(`entities.${name}: has no policy`);
  }
  if (!parsed.success || problems.length > 0)
    throw new InvalidOptionsError({ message: 'The config is not usable; the running one stays', problems });
  // zod types absent options as undefined, which exactOptionalPropertyTypes tells apart; the values are the same.
  const entities = Object.entries(parsed.data.entities as PolyphaseConfig['entities']);
  const { revision } = parsed.data;
  return {
    revision,
    entities: new Map(entities.map(([name, policy]) => [name, resolvePolicy(policy, revision)])),
  };
}
