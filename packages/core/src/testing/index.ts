/**
 * The suites that every store must pass, a clock that stands still, and faults.
 *
 * @module @polyphase/core/testing
 */
export { atomicApplyCases } from './atomic-apply-cases.ts';
export { cacheCases } from './cache-cases.ts';
export { changeFeedCases } from './change-feed-cases.ts';
export { checkpointCases } from './checkpoint-cases.ts';
export { type ConfigSourceSubject, configSourceCases } from './config-source-cases.ts';
export {
  type BindOptions,
  bindContract,
  type Capability,
  type ContractCase,
  type ContractSubject,
  type ForeignWriter,
} from './contract.ts';
export { controlCases } from './control-cases.ts';
export { dirtyKeyCases } from './dirty-key-cases.ts';
export { contractEntities } from './entities.ts';
export { type FaultPlan, type FaultyCall, faultyRecords } from './faulty.ts';
export { journalCases } from './journal-cases.ts';
export { leaseCases } from './lease-cases.ts';
export { type ManualClock, manualClock } from './manual-clock.ts';
export { memberCases } from './member-cases.ts';
export { permitCases } from './permit-cases.ts';
export { queryCases } from './query-cases.ts';
export { recordCases } from './record-suite.ts';
export { repositoryCases } from './repository-cases.ts';
export { shadowTallyCases } from './shadow-tally-cases.ts';
export { unitOfWorkCases } from './unit-of-work-cases.ts';
