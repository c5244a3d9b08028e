export type { EmulatorClock } from './clock.ts';
export type { ConsistencyLevel } from './consistency.ts';
export type { Durability } from './data-folder/data-folder.ts';
export { DataFolderError, type DataFolderProblem } from './data-folder/data-folder-error.ts';
export {
  CosmosEmulator,
  type CosmosEmulatorOptions,
  type InProcessClientOptions,
  type SplitPlace,
} from './emulator.ts';
export { ConnectionResetError } from './faults/fault-error.ts';
export type { Fault, FaultQueue, PendingFault } from './faults/fault-queue.ts';
export type { HeldBudget, RequestBudget, RequestBudgets } from './faults/request-budget.ts';
export type { EmulatorStats } from './gateway.ts';
export type { HttpRequest, HttpResponse, InProcessHttpClient } from './http-client.ts';
export type { ReadReplica } from './replica.ts';
export type { OperationKind, ResourceKind } from './routes/route-context.ts';
export type { Listener, ListenOptions, TlsIdentity } from './server.ts';
export type { EmulatorSnapshot } from './snapshot.ts';
