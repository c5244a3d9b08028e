/**
 * Entities, repositories, queries, errors and config; the contracts of stores, and what stores share.
 *
 * @module @polyphase/core
 */
export { type CacheEntry, type CacheMiss, type CacheService, type InvalidateOptions } from './cache.ts';
export {
  type Change,
  type ChangeFeed,
  type FeedPage,
  type FeedRange,
  type FeedReadOptions,
} from './change-feed.ts';
export { type Checkpoint, type CheckpointAdvance, type CheckpointStore } from './checkpoint.ts';
export { type Clock, systemClock } from './clock.ts';
export {
  type CachedPolicy,
  type ConfigPartition,
  type CosmosOnlyPolicy,
  type DualWritePolicy,
  type EntityPolicy,
  type PartialReads,
  type PolyphaseConfig,
  type PostgresPrimaryPolicy,
  parseConfig,
  type ResolvedConfig,
  type ResolvedPolicy,
  type ResolvedReads,
  type ResolvedShadow,
  type ShadowOptions,
  type StorePolicy,
} from './config.ts';
export {
  type ConfigSource,
  type LoadedConfig,
  type PollingOptions,
  watchByPolling,
} from './config-source.ts';
export {
  type AdvanceOptions,
  type Authority,
  authorityOf,
  type ControlChange,
  type ControlRow,
  type ControlStep,
  type ControlStore,
  type Phase,
  sameWish,
  type Wish,
} from './control.ts';
export { digestOf } from './digest.ts';
export { type DirtyKey, type DirtyKeys } from './dirty-keys.ts';
export { type Duration, parseDuration, toMs } from './duration.ts';
export {
  checkValue,
  defineEntity,
  type Entity,
  type EntityIndex,
  type EntityKey,
  type EntityOptions,
  type EntityValue,
  keyFrom,
  keyOfValue,
  splitPath,
  type ValueAtPath,
} from './entity.ts';
export { type EntitySchema, type Field, type FieldType } from './entity-schema.ts';
export {
  AlreadyExistsError,
  ConflictError,
  ConnectionError,
  type ErrorDetails,
  FencedError,
  InvalidDataError,
  InvalidOptionsError,
  isPolyphaseError,
  isTransientError,
  NotFoundError,
  type PolyphaseError,
  SealedError,
  StoreError,
  ThrottledError,
  TimeoutError,
  TransactionConflictError,
  type TransientError,
  UnknownOutcomeError,
  UnsupportedError,
} from './errors.ts';
export {
  EXPIRY_TOLERANCE_MS,
  expiryOf,
  isExpired,
  lifetimeOf,
  NEVER_EXPIRES,
  sameExpiry,
  seenAt,
  TTL_FIELD,
  ttlSeconds,
} from './expiry.ts';
export { HeldLease, type HeldLeaseOptions } from './held-lease.ts';
export { type Journal, type Journaled, type ResolveOptions } from './journal.ts';
export {
  canonicalJson,
  type Issue,
  isJsonObject,
  type JsonObject,
  type JsonValue,
  jsonEquals,
  MAX_BYTES,
  MAX_DEPTH,
  portabilityIssues,
  valueAt,
} from './json.ts';
export { judgeCopy } from './judge-copy.ts';
export {
  BUCKETS,
  bucketOf,
  checkKey,
  keyEquals,
  keyLabel,
  keyText,
  MAX_ID_BYTES,
  MAX_PARTITION_BYTES,
  type PartitionLevel,
  partitionOf,
  partitionText,
  RESERVED_ID_PREFIX,
  type RecordKey,
} from './key.ts';
export { type Lease, type LeaseAnswer, type LeaseHeld, type LeaseManager } from './lease.ts';
export { type LiveRecord, liveRecord, liveRecords } from './live-record.ts';
export { type Beat, type BeatAnswer, type Member, type Members } from './members.ts';
export { keepUnknown, mergePatch, type Shape } from './merge.ts';
export { type NoticeListener, Notices } from './notices.ts';
export {
  compareKeys,
  comparePartitions,
  compareRecords,
  compareSortValues,
  compareText,
  typeRank,
} from './order.ts';
export { type Permit, type PermitStore, type ProjectOptions, type WriteLease } from './permit.ts';
export {
  type FieldCondition,
  type Page,
  type Query,
  type QueryPath,
  type Scalar,
  type Where,
} from './query.ts';
export {
  type Comparison,
  type PlannedQuery,
  type PlanPosition,
  type Predicate,
  planQuery,
  positionOf,
  type QueryPlan,
  sortValue,
} from './query-plan.ts';
export { type HeldRange, RangeLeases, type RangeLeasesOptions } from './range-leases.ts';
export {
  type OperationMark,
  REMEMBERED_OPERATIONS,
  type RecordBase,
  recordDigest,
  type StoredRecord,
  TOMBSTONE_DIGEST,
} from './record.ts';
export {
  type CallOptions,
  type CopyOptions,
  type CopyOutcome,
  type RecordCopy,
  type RecordStore,
  type RecordSummary,
  type ScanOptions,
  type WriteOptions,
  type WriteResult,
} from './record-store.ts';
export {
  type CopyVerdict,
  compareCopies,
  decideWrite,
  type WriteContext,
  type WriteDecision,
  type WriteIntent,
} from './record-write.ts';
export {
  type ChangeOptions,
  type CreateOptions,
  type Deleted,
  type LifetimeOptions,
  type Patch,
  type PatchOptions,
  type ReadOptions,
  type ReplaceOptions,
  type Repository,
  type Stored,
  type WriteCallOptions,
  type Written,
} from './repository.ts';
export { type RequestCost, type RequestMeter } from './request-meter.ts';
export { backoffMs, type RetryOptions, retryTransient } from './retry.ts';
export { type NotedTallies, type ShadowTallies, type ShadowTally } from './shadow-tallies.ts';
export {
  type CacheStore,
  type DocumentStore,
  type GateAnswer,
  type RecordHost,
  type RelationalStore,
  type VerifyOptions,
} from './store.ts';
export { type RepositoryStore, repositoryIn, StoreRepository } from './store-repository.ts';
export {
  type RunUnit,
  type UnitOfWork,
  type UnitOptions,
  type UnitRecords,
  type UnitResult,
  type UnitSql,
} from './unit-of-work.ts';
export {
  compareVersions,
  decodeVersion,
  encodeVersion,
  firstCounter,
  type RecordVersion,
  UNSTAMPED,
  type Version,
} from './version.ts';
