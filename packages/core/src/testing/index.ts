export {
  type BindOptions,
  bindContract,
  type Capability,
  type ContractCase,
  type ContractSubject,
  type ForeignWriter,
} from './contract.ts';
export { contractEntities } from './entities.ts';
export { type ManualClock, manualClock } from './manual-clock.ts';
export { queryCases } from './query-cases.ts';
export { recordCases } from './record-suite.ts';
