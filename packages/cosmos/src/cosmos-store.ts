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
  type VerifyOptions,
} from '@polyphase/core';
import { CosmosChangeFeed } from './cosmos-change-feed.ts';
import { CosmosCheckpointStore } from './cosmos-checkpoint-store.ts';
import { CosmosContainer } from './cosmos-container.ts';
import { CosmosLeaseManager } from './cosmos-lease-manager.ts';
import {
  type CosmosMap,
  mapProblems,
  overlapProblems,
  type PlacedEntity,
  permitContainer,
  placeOf,
} from './cosmos-map.ts';
import { CosmosPermitStore } from './cosmos-permit-store.ts';
import { otherReadersAnswer } from './cosmos-readers.ts';
import { CosmosRecords } from './cosmos-records.ts';
import { createRunUnit } from './cosmos-unit-of-work.ts';
import { checkFit, checkIdField, verifyEntity } from './cosmos-verify.ts';
import type { Discriminator } from './discriminator.ts';
import { type RequestCharge, RequestCharges } from './request-charge.ts';
import { unitsAnswers } from './units-fit.ts';
import { writeRegionAnswer } from './write-region.ts';

/** What {@link cosmosStore} takes. */
export interface CosmosStoreOptions {
  /** The database, from a client that the caller made and disposes. */
  readonly database: Database;
  /**
   * Where entities are that are not alone in the container of their own name, by entity. A group of several entities needs an entry
   * too, by group: its permit lies there, and every process must name the same one.
   *
   * @default none
   */
  readonly map?: CosmosMap | undefined;
  /**
   * Container of leases and checkpoints. All processes must name the same one, or they do not exclude each other.
   *
   * @default the entities' container where all are in one; with several it must be named before a lease is taken
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
  readonly placed: PlacedEntity;
  readonly items: CosmosContainer;
  readonly discriminator: Discriminator;
  readonly removes: boolean;
  readonly entity: Entity;
  readonly records: RecordStore;
  readonly changes: ChangeFeed;
}

class ContainerStore implements CosmosStore {
  readonly kind = 'documents';
  readonly checkpoints: CheckpointStore;
  readonly leases: LeaseManager;
  readonly permits: PermitStore;
  readonly runUnit: RunUnit;
  readonly #options: CosmosStoreOptions & { readonly map: CosmosMap };
  readonly #charges = new RequestCharges();
  readonly #containers = new Map<string, CosmosContainer>();
  readonly #parts = new Map<string, EntityParts>();

  constructor(options: CosmosStoreOptions & { readonly map: CosmosMap }) {
    this.#options = options;
    const itemsOf = (): CosmosContainer => this.#control();
    this.checkpoints = new CosmosCheckpointStore({ itemsOf });
    this.leases = new CosmosLeaseManager({ itemsOf });
    // By name alone, never by what this process has prepared: all processes must look for a permit in one place.
    this.permits = new CosmosPermitStore({
      containerOf: (group) => this.#items(permitContainer(options.map, group), group),
    });
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
    this.#checkPlaces(entities);
    for (const entity of entities) {
      const { items } = this.#partsOf(entity);
      checkFit(entity, await items.info(options));
    }
  }

  async verify(entity: Entity, options: VerifyOptions = {}): Promise<readonly GateAnswer[]> {
    const parts = this.#partsOf(entity);
    return [
      await writeRegionAnswer(parts.items, options),
      ...(await verifyEntity(parts, options)),
      ...unitsAnswers(parts.placed, this.#placesOf(options.together)),
      ...(options.adopting === true ? [await otherReadersAnswer(parts, parts.placed, options)] : []),
    ];
  }

  #placesOf(names: readonly string[] = []): ReadonlyMap<string, PlacedEntity | undefined> {
    return new Map(names.map((name) => [name, this.#parts.get(name)?.placed]));
  }

  #partsOf(entity: Entity): EntityParts {
    const there = this.#parts.get(entity.name);
    if (there) return there;
    checkIdField(entity);
    this.#checkPlaces([entity]);
    const placed = placeOf(this.#options.map, entity);
    const items = this.#items(placed.container, entity.name);
    const { discriminator, removes } = placed;
    const place = { entity, items, discriminator, removes };
    const records = new CosmosRecords(place);
    const parts: EntityParts = { ...place, placed, records, changes: new CosmosChangeFeed(place) };
    this.#parts.set(entity.name, parts);
    return parts;
  }

  #checkPlaces(entities: readonly Entity[]): void {
    const known = [...this.#parts.values()].map((it) => it.placed);
    const others = entities.filter((entity) => !this.#parts.has(entity.name));
    const places = others.map((entity) => placeOf(this.#options.map, entity));
    const problems = overlapProblems([...known, ...places]);
    if (problems.length > 0)
      throw new InvalidOptionsError({
        message: 'Entities cannot be told apart in their container',
        problems,
      });
  }

  // One for each name under which requests are counted.
  #items(container: string, name: string): CosmosContainer {
    const key = JSON.stringify([container, name]);
    const there = this.#containers.get(key);
    if (there) return there;
    const items = new CosmosContainer({
      container: this.#options.database.container(container),
      entity: name,
      charges: this.#charges,
    });
    this.#containers.set(key, items);
    return items;
  }

  #control(): CosmosContainer {
    const { control } = this.#options;
    if (control !== undefined) return this.#items(control, control);
    const parts = [...this.#parts.values()];
    const [first] = parts;
    if (first && parts.every((it) => it.placed.container === first.placed.container)) return first.items;
    throw new InvalidOptionsError({
      message: first
        ? 'Leases and checkpoints of entities in several containers need one container; name it: cosmosStore({ database, control: "…" })'
        : 'Leases and checkpoints need a container; name it in control, or prepare the entity first',
    });
  }
}

/**
 * Makes a store of an Azure Cosmos DB database: records with versions, change feed, permits, leases, checkpoints, units of work.
 *
 * An entity is in the container of its own name, or where `map` has it: in another one, beside other entities, each known by its
 * discriminator. Opens nothing: the client is the caller's.
 *
 * @throws `InvalidOptionsError` listing every problem: no database, a container without a name, a discriminator that is none
 *
 * @example
 * ```ts
 * import { CosmosClient } from '@azure/cosmos';
 * import { cosmosStore } from '@polyphase/cosmos';
 *
 * const client = new CosmosClient({ endpoint: 'https://example.documents.azure.com', key: '…' });
 * const store = cosmosStore({
 *   database: client.database('app'),
 *   map: {
 *     accounts: { container: 'app', discriminator: { type: 'account' } },
 *     sessions: { container: 'app', discriminator: { type: 'session' } },
 *   },
 * });
 * ```
 */
export function cosmosStore(options: CosmosStoreOptions): CosmosStore {
  const { database, map = {}, control } = options;
  const problems = [...mapProblems(map)];
  if (typeof database?.container !== 'function')
    problems.unshift('database must be a Database of @azure/cosmos');
  if (control !== undefined && (typeof control !== 'string' || control === ''))
    problems.push('control must be the name of a container');
  if (problems.length > 0) throw new InvalidOptionsError({ message: 'cosmosStore cannot be made', problems });
  return new ContainerStore({ ...options, map: structuredClone(map) });
}
