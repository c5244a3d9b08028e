export { type CompositePath, compositeIndexesFor } from './composite-indexes.ts';
export { type CosmosMap, type CosmosPlacement } from './cosmos-map.ts';
export { type CosmosStore, type CosmosStoreOptions, cosmosStore } from './cosmos-store.ts';
export { type RequestCharge } from './request-charge.ts';
