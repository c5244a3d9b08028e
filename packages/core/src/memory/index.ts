/**
 * The reference of every contract, in memory: for tests, and to try things out.
 *
 * @module @polyphase/core/memory
 */
export { type MemoryConfigSource, memoryConfigSource } from './memory-config-source.ts';
export type { ForeignDocuments } from './memory-foreign.ts';
export { matches, runQuery } from './memory-query.ts';
export {
  type MemoryCacheStore,
  type MemoryCacheStoreOptions,
  type MemoryDocumentStore,
  type MemoryDocumentStoreOptions,
  type MemoryRelationalStoreOptions,
  type MemoryStoreOptions,
  memoryCacheStore,
  memoryDocumentStore,
  memoryRelationalStore,
} from './memory-store.ts';
