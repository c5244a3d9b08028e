import { z } from 'zod';
import { type Authority, authorityOf, type Wish } from './control.ts';
import { type Duration, parseDuration } from './duration.ts';
import { InvalidOptionsError } from './errors.ts';
import { type PartitionLevel, partitionText } from './key.ts';

/** Cosmos DB alone. */
export interface CosmosOnlyPolicy {
  readonly policy: 'cosmos-only';
  /** Whether a step that moves the authority may be taken without a person's word. @default "manual" */
  readonly flip?: 'auto' | 'manual';
}

/** How many reads are asked of both stores in phase 2, and how much of that goes on at a time. Callers never wait for it. */
export interface ShadowOptions {
  /** Share of the reads, 0 to 1, that PostgreSQL is asked too; as many are asked of Cosmos DB again, to know its noise. @default 0.1 */
  readonly sample?: number;
  /** Comparisons that go on at a time, 1 to 100. @default 4 */
  readonly concurrency?: number;
  /** Comparisons that wait for their turn, 0 to 10,000; what does not fit is left out and counted. @default 100 */
  readonly queue?: number;
}

/** A partition in config: its one level, or all of its levels in order. */
export type ConfigPartition =
  | string
  | number
  | boolean
  | null
  | readonly (string | number | boolean | null)[];

/** Which partitions PostgreSQL answers for in phases 3 and 4, where it is fresh. At least one of the two. */
export interface PartialReads {
  readonly postgres: {
    /** Share of all partitions, 0 to 100. A partition belongs to it or not: the same in every process, and the more percent the more. */
    readonly percent?: number;
    /** These partitions, whatever the percentage. */
    readonly partitions?: readonly ConfigPartition[];
  };
}

/** Cosmos DB decides; PostgreSQL follows, by a second write and the change feed. */
export interface DualWritePolicy {
  readonly policy: 'dual-write';
  /**
   * Which store answers reads. `"shadow"`: Cosmos DB, and a sample is compared with what PostgreSQL would have answered. `"postgres"`:
   * PostgreSQL where it is fresh, else Cosmos DB; an object confines that to some partitions, and queries that reach beyond one
   * partition are then answered by Cosmos DB.
   *
   * @default "cosmos"
   */
  readonly reads?: 'cosmos' | 'shadow' | 'postgres' | PartialReads;
  /** The shadow reads: with `reads: "shadow"`, and in phase 2 on the way to a later one. */
  readonly shadow?: ShadowOptions;
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
  /** The shadow reads in phase 2, on the way. */
  readonly shadow?: ShadowOptions;
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
  /**
   * Entities whose records change in one unit of work, by a name of your choice: their authority moves in one step, so that a unit never
   * finds them on two sides. An entity is in one group at most, and their policies lie on one side. @default none
   */
  readonly groups?: { readonly [group: string]: readonly Name[] } | undefined;
}

/** {@link ShadowOptions} with every default filled in. */
export interface ResolvedShadow {
  readonly sample: number;
  readonly concurrency: number;
  readonly queue: number;
  /** Whether config asks for them by name, so that they go on in phase 2 also where nothing later is wished for. */
  readonly wanted: boolean;
}

/** {@link PartialReads} in plain form. */
export interface ResolvedReads {
  /** Share of all partitions, 0 to 100. */
  readonly percent: number;
  /** Texts of the partitions that are named. */
  readonly partitions: readonly string[];
}

/** An entity's policy with every default filled in. */
export interface ResolvedPolicy {
  readonly wish: Wish;
  readonly maxStalenessMs: number;
  /** What PostgreSQL answers in phases 3 and 4. */
  readonly reads: ResolvedReads;
  readonly shadow: ResolvedShadow;
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
const within = (low: number, high: number) => {
  const error = `must be a number from ${low} to ${high}`;
  return z.number(error).min(low, error).max(high, error).optional();
};
const whole = (low: number, high: number) => {
  const error = `must be a whole number from ${low} to ${high}`;
  return z.int(error).min(low, error).max(high, error).optional();
};
const shadow = z
  .strictObject({ sample: within(0, 1), concurrency: whole(1, 100), queue: whole(0, 10_000) })
  .optional();
const level = z.union([z.string(), z.number(), z.boolean(), z.null()]);
const anyPartition = z.union(
  [level, z.array(level).min(1, 'must not be empty')],
  'must be a partition, or a list of its levels',
);
const partialReads = z.strictObject({
  postgres: z
    .strictObject({
      percent: within(0, 100),
      partitions: z.array(anyPartition).min(1, 'must not be empty').optional(),
    })
    .refine(
      (it) => it.percent !== undefined || it.partitions !== undefined,
      'must have percent, partitions, or both',
    ),
});
const STORES = ['cosmos', 'shadow', 'postgres'];
// Discriminated by hand, so that the problems of an object are told one by one.
const anyReads = z.unknown().superRefine((it, context) => {
  if (typeof it !== 'object' || it === null) {
    if (it !== undefined && !STORES.some((store) => store === it))
      context.addIssue({
        code: 'custom',
        message: 'must be "cosmos", "shadow", "postgres", or { postgres: { percent, partitions } }',
      });
    return;
  }
  for (const { path, message } of partialReads.safeParse(it).error?.issues ?? [])
    context.addIssue({ code: 'custom', path, message });
});
const storePolicies = [
  z.strictObject({ policy: z.literal('cosmos-only'), flip }),
  z.strictObject({
    policy: z.literal('dual-write'),
    reads: anyReads.optional(),
    shadow,
    maxStaleness: duration.optional(),
    flip,
  }),
  z.strictObject({
    policy: z.literal('postgres-primary'),
    reverseSync: z.boolean().optional(),
    shadow,
    flip,
  }),
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
  groups: z.record(z.string(), z.array(z.string()).min(2, 'must name two entities or more')).optional(),
});
type ParsedConfig = z.infer<typeof configSchema>;

function wishOf(policy: StorePolicy, revision: number): Wish {
  const wanted = (phase: Wish['phase']): Wish => ({ phase, flip: policy.flip ?? 'manual', revision });
  if (policy.policy === 'cosmos-only') return wanted('0');
  if (policy.policy === 'dual-write')
    return wanted(policy.reads === 'postgres' || typeof policy.reads === 'object' ? '3' : '2');
  return wanted((policy.reverseSync ?? true) ? '6' : '7');
}

function readsOf(policy: StorePolicy): ResolvedReads {
  if (policy.policy !== 'dual-write' || typeof policy.reads !== 'object')
    return { percent: 100, partitions: [] };
  const { percent = 0, partitions = [] } = policy.reads.postgres;
  const levelsOf = (it: ConfigPartition): readonly PartitionLevel[] => (isLevels(it) ? it : [it]);
  return { percent, partitions: partitions.map((it) => partitionText(levelsOf(it))) };
}

function isLevels(partition: ConfigPartition): partition is Extract<ConfigPartition, readonly unknown[]> {
  return Array.isArray(partition);
}

function shadowOf(policy: StorePolicy): ResolvedShadow {
  const {
    sample = 0.1,
    concurrency = 4,
    queue = 100,
  } = policy.policy === 'cosmos-only' ? {} : (policy.shadow ?? {});
  const wanted = policy.policy === 'dual-write' && policy.reads === 'shadow';
  return { sample, concurrency, queue, wanted };
}

// What a policy means, with every default filled in.
function resolvePolicy(policy: EntityPolicy, revision: number): ResolvedPolicy {
  const over = policy.policy === 'cached' ? policy.over : policy;
  const staleness = over.policy === 'dual-write' ? over.maxStaleness : undefined;
  return {
    wish: wishOf(over, revision),
    maxStalenessMs: parseDuration(staleness) ?? 1_000,
    reads: readsOf(over),
    shadow: shadowOf(over),
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
    problems.push(...groupProblems(parsed.data));
  }
  if (!parsed.success || problems.length > 0)
    throw new InvalidOptionsError({ message: 'The config is not usable; the running one stays', problems });
  // zod types absent options as undefined, which exactOptionalPropertyTypes tells apart; the values are the same.
  const entities = Object.entries(parsed.data.entities as PolyphaseConfig['entities']);
  const { revision, groups = {} } = parsed.data;
  const togetherOf = (name: string): readonly string[] | undefined =>
    Object.values(groups)
      .find((names) => names.includes(name))
      ?.toSorted();
  return {
    revision,
    entities: new Map(
      entities.map(([name, policy]) => {
        const resolved = resolvePolicy(policy, revision);
        const together = togetherOf(name);
        return [name, together ? { ...resolved, wish: { ...resolved.wish, together } } : resolved];
      }),
    ),
  };
}

function groupProblems({ entities, groups = {}, revision }: ParsedConfig): readonly string[] {
  const problems: string[] = [];
  const seen = new Map<string, string>();
  for (const [group, names] of Object.entries(groups)) {
    const sides = new Set<Authority>();
    for (const name of names) {
      const other = seen.get(name);
      const policy = (entities as PolyphaseConfig['entities'])[name];
      if (!policy) problems.push(`groups.${group}: "${name}" has no policy`);
      else if (other !== undefined)
        problems.push(`groups.${group}: "${name}" is in ${other === group ? 'it twice' : `"${other}" too`}`);
      else sides.add(authorityOf(resolvePolicy(policy, revision).wish.phase));
      seen.set(name, group);
    }
    if (sides.size > 1)
      problems.push(
        `groups.${group}: the policies of its entities want both Cosmos DB and PostgreSQL as the authority; a group moves in one step`,
      );
  }
  return problems;
}
