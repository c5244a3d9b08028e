export { type CompositePath, compositeIndexesFor } from './composite-indexes.ts';
export { type CosmosMap, type CosmosPlacement } from './cosmos-map.ts';
export { type CosmosStore, type CosmosStoreOptions, cosmosStore } from './cosmos-store.ts';
export { ChangeFeedProcessor } from './processor/change-feed-processor.ts';
export { type RangeLag } from './processor/processor-lag.ts';
export {
  type ChangeFeedProcessorOptions,
  type ChangesContext,
  type ProcessorTrouble,
} from './processor/processor-options.ts';
export { type RequestCharge } from './request-charge.ts';
