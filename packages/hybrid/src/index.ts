export { configFromFile } from './config-file.ts';
export { createHybrid, Hybrid } from './hybrid.ts';
export { type HybridNotices } from './hybrid-notices.ts';
export {
  type ConfigFor,
  type HybridOptions,
  type HybridStores,
  type LoadedConfig,
  type PolicyFor,
} from './hybrid-options.ts';
export { type HybridRepository, type RepositoryOf } from './hybrid-repository.ts';
export { type EntityStatus, type PlannedStep } from './hybrid-status.ts';
export { type HybridUnit, type TransactionOptions } from './hybrid-transaction.ts';
export { type ProtocolOptions } from './protocol-limits.ts';
