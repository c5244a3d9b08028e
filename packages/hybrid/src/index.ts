// What an application needs of core, so that one import serves it.
export {
  AlreadyExistsError,
  type ConfigSource,
  ConflictError,
  ConnectionError,
  defineEntity,
  type EntityKey,
  type EntityPolicy,
  type EntityValue,
  FencedError,
  InvalidDataError,
  InvalidOptionsError,
  isPolyphaseError,
  isTransientError,
  type LoadedConfig,
  NotFoundError,
  type Page,
  type PolyphaseConfig,
  type PolyphaseError,
  type Query,
  SealedError,
  type ShadowTally,
  type Stored,
  StoreError,
  ThrottledError,
  TimeoutError,
  TransactionConflictError,
  UnknownOutcomeError,
  UnsupportedError,
  type Version,
  type Where,
} from '@polyphase/core';
export { Backfill, type BackfillNotices, createBackfill } from './backfill/backfill.ts';
export { type BackfillCounts } from './backfill/backfill-ledger.ts';
export { type BackfillOptions } from './backfill/backfill-options.ts';
export { type BackfillProgress, type BackfillState } from './backfill/backfill-progress.ts';
export { type BackfillEstimate, type UnmappableDocument } from './backfill/plan-backfill.ts';
export { type ConfigEnvOptions, configFromEnv, type Environment } from './config/config-env.ts';
export { type ConfigFileOptions, configFromFile } from './config/config-file.ts';
export {
  type ResolveSecretsOptions,
  resolveSecrets,
  type SecretReader,
  type SecretReference,
  type WithSecrets,
} from './config/resolve-secrets.ts';
export { type DrillOptions, type DrillResult, drill } from './drill/drill.ts';
export { type DrillReceipt } from './drill/drill-receipt.ts';
export { type DrillStores } from './drill/drill-stores.ts';
export { createHybrid, type Hybrid } from './hybrid.ts';
export { type HybridNotices } from './hybrid-notices.ts';
export {
  type ConfigFor,
  type HybridOptions,
  type HybridStores,
  type KyselyOf,
  type PolicyFor,
} from './hybrid-options.ts';
export { type HybridRepository, type RepositoryOf } from './hybrid-repository.ts';
export { type EntityStatus, type PlannedStep } from './hybrid-status.ts';
export { type HybridUnit, type TransactionOptions } from './hybrid-transaction.ts';
export { type PlannedGate } from './phases/gates/gates.ts';
export { type EntityPlan, type GatedStep, type PlanOptions } from './plan-entity.ts';
export { type ProtocolOptions } from './protocol-limits.ts';
export { type RelayProgress } from './relay/feed-relay.ts';
export { type HistoryProgress } from './relay/feed-report.ts';
export { type StalledRange } from './relay/stall-alarm.ts';
export { type Role } from './roles.ts';
export { type ShadowMismatch, type ShadowStatus } from './shadow/shadow-reads.ts';
