import type { Entity, EntityKey, EntityValue, Repository } from '@polyphase/core';

/** Reads and writes of one entity, wherever config has put it. The same interface in every phase. */
export type HybridRepository<Value extends object, Key = Readonly<Record<string, unknown>>> = Repository<
  Value,
  Key
>;

/** The repository type of an entity. */
export type RepositoryOf<E extends Entity<object>> = HybridRepository<EntityValue<E> & object, EntityKey<E>>;
