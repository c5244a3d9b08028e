import type { Container, Database } from '@azure/cosmos';
import {
  type CallOptions,
  type ChangeFeed,
  type CheckpointStore,
  type DocumentStore,
  type Entity,
  type GateAnswer,
  InvalidOptionsError,
  type LeaseManager,
  type PermitStore,
  type RecordStore,
  type RunUnit,
} from '@polyphase/core';
import { CosmosChangeFeed } from './cosmos-change-feed.ts';
import { CosmosCheckpointStore } from './cosmos-checkpoint-store.ts';
import { CosmosContainer } from './cosmos-container.ts';
import { CosmosLeaseManager } from './cosmos-lease-manager.ts';
import { CosmosPermitStore } from './cosmos-permit-store.ts';
import { CosmosRecords } from './cosmos-records.ts';
import { createRunUnit } from './cosmos-unit-of-work.ts';
import { checkFit, checkIdField, verifyEntity } from './cosmos-verify.ts';
import { type RequestCharge, RequestCharges } from './request-charge.ts';

/** What {@link cosmosStore} takes. */
export interface CosmosStoreOptions {
  /** The database, from a client that the caller made and disposes. */
  readonly database: Database;
  /**
   * Containers of entities that are not in the container of their own name, by entity. A group of several entities needs an entry
   * too, by group: its permit lies there, and every process must name the same one.
   *
   * @default none
   */
  readonly containers?: Readonly<Record<string, string>> | undefined;
  /**
   * Container of leases and checkpoints. All processes must name the same one, or they do not exclude each other.
   *
   * @default the entity's container where there is only one entity; with several it must be named before a lease is taken
   */
  readonly control?: string | undefined;
}

/** Azure Cosmos DB as a store of documents. */
export interface CosmosStore extends DocumentStore {
  /** The driver's container of an entity. What is written through it bypasses stamps and permits, and is captured as foreign. */
  container(entity: Entity): Container;
  /** Request units so far, by entity and operation. */
  requestCharges(): readonly RequestCharge[];
}

interface EntityParts {
  readonly entity: Entity;
  readonly items: CosmosContainer;
  readonly records: RecordStore;
  readonly changes: ChangeFeed;
}

class ContainerStore implements CosmosStore {
  readonly kind = 'documents';
  readonly checkpoints: CheckpointStore;
  readonly leases: LeaseManager;
  readonly permits: PermitStore;
  readonly runUnit: RunUnit;
  readonly #options: CosmosStoreOptions;
  readonly #charges = new RequestCharges();
  readonly #containers = new Map<string, CosmosContainer>();
  readonly #parts = new Map<string, EntityParts>();

  constructor(options: CosmosStoreOptions) {
    this.#options = options;
    const itemsOf = (): CosmosContainer => this.#control();
    this.checkpoints = new CosmosCheckpointStore({ itemsOf });
    this.leases = new CosmosLeaseManager({ itemsOf });
    // By name alone, never by what this process has prepared: all processes must look for a permit in one place.
    this.permits = new CosmosPermitStore({ containerOf: (group) => this.#items(this.#containerName(group)) });
    this.runUnit = createRunUnit((entity) => this.#partsOf(entity));
  }

  records(entity: Entity): RecordStore {
    return this.#partsOf(entity).records;
  }

  changes(entity: Entity): ChangeFeed {
    return this.#partsOf(entity).changes;
  }

  container(entity: Entity): Container {
    return this.#partsOf(entity).items.container;
  }

  requestCharges(): readonly RequestCharge[] {
    return this.#charges.snapshot();
  }

  async prepare(entities: readonly Entity[], options: CallOptions = {}): Promise<void> {
    for (const entity of entities) {
      const { items } = this.#partsOf(entity);
      checkFit(entity, await items.info(options));
    }
  }

  async verify(entity: Entity, options: CallOptions = {}): Promise<readonly GateAnswer[]> {
    return verifyEntity(entity, this.#partsOf(entity).items, options);
  }

  #partsOf(entity: Entity): EntityParts {
    const there = this.#parts.get(entity.name);
    if (there) return there;
    checkIdField(entity);
    const name = this.#containerName(entity.name);
    const other = [...this.#parts.values()].find((it) => this.#containerName(it.entity.name) === name);
    if (other)
      throw new InvalidOptionsError({
        message: `Entities "${other.entity.name}" and "${entity.name}" are both in container "${name}"; each needs one of its own`,
        entity: entity.name,
      });
    const items = this.#items(name, entity.name);
    const parts: EntityParts = {
      entity,
      items,
      records: new CosmosRecords({ entity, items }),
      changes: new CosmosChangeFeed({ entity, items }),
    };
    this.#parts.set(entity.name, parts);
    return parts;
  }

  #containerName(entity: string): string {
    const { containers } = this.#options;
    return (containers && Object.hasOwn(containers, entity) ? containers[entity] : undefined) ?? entity;
  }

  #items(name: string, entity = name): CosmosContainer {
    const there = this.#containers.get(name);
    if (there) return there;
    const container = this.#options.database.container(name);
    const items = new CosmosContainer({ container, entity, charges: this.#charges });
    this.#containers.set(name, items);
    return items;
  }

  #control(): CosmosContainer {
    const { control } = this.#options;
    if (control !== undefined) return this.#items(control);
    const [only, ...others] = this.#parts.values();
    if (only && others.length === 0) return only.items;
    throw new InvalidOptionsError({
      message: only
        ? 'Leases and checkpoints of several entities need one container; name it: cosmosStore({ database, control: "…" })'
        : 'Leases and checkpoints need a container; name it in control, or prepare the entity first',
    });
  }
}

/**
 * Makes a store of an Azure Cosmos DB database: records with versions, change feed, permits, leases, checkpoints, units of work.
 *
 * One entity in one container, named by the entity or in `containers`. Opens nothing: the client is the caller's.
 *
 * @throws `InvalidOptionsError` when there is no database, or a container has no name
 *
 * @example
 * ```ts
 * import { CosmosClient } from '@azure/cosmos';
 * import { cosmosStore } from '@polyphase/cosmos';
 *
 * const client = new CosmosClient({ endpoint: 'https://example.documents.azure.com', key: '…' });
 * const store = cosmosStore({ database: client.database('app'), containers: { accounts: 'app-accounts' } });
 * ```
 */
export function cosmosStore(options: CosmosStoreOptions): CosmosStore {
  const problems: string[] = [];
  const { database, containers = {}, control } = options;
  if (typeof database?.container !== 'function')
    problems.push('database must be a Database of @azure/cosmos');
  const names = Object.entries(containers);
  for (const [entity, name] of names)
    if (typeof name !== 'string' || name === '')
      problems.push(`containers.${entity} must be the name of a container`);
  if (control !== undefined && (typeof control !== 'string' || control === ''))
    problems.push('control must be the name of a container');
  if (problems.length > 0) throw new InvalidOptionsError({ message: 'cosmosStore cannot be made', problems });
  return new ContainerStore({ ...options, containers: Object.freeze({ ...containers }) });
}
