export type { ForeignDocuments } from './memory-foreign.ts';
export { matches, runQuery } from './memory-query.ts';
export {
  type MemoryCacheStore,
  type MemoryCacheStoreOptions,
  type MemoryDocumentStore,
  type MemoryDocumentStoreOptions,
  type MemoryStoreOptions,
  memoryCacheStore,
  memoryDocumentStore,
  memoryRelationalStore,
} from './memory-store.ts';
