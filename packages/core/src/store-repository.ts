import { checkValue, type Entity, type EntityKey, type EntityValue, keyFrom, keyOfValue } from './entity.ts';
import { InvalidDataError, InvalidOptionsError } from './errors.ts';
import { TTL_FIELD, ttlSeconds } from './expiry.ts';
import { type JsonObject, portabilityIssues } from './json.ts';
import { keyLabel, type RecordKey } from './key.ts';
import { type LiveRecord, liveRecord } from './live-record.ts';
import type { Page, Query } from './query.ts';
import { planQuery, positionOf } from './query-plan.ts';
import type { RecordStore, WriteOptions, WriteResult } from './record-store.ts';
import type { WriteIntent } from './record-write.ts';
import type {
  ChangeOptions,
  CreateOptions,
  Deleted,
  LifetimeOptions,
  Patch,
  PatchOptions,
  ReadOptions,
  ReplaceOptions,
  Repository,
  Stored,
  WriteCallOptions,
  Written,
} from './repository.ts';
import type { RecordHost } from './store.ts';
import { encodeVersion } from './version.ts';

const MAX_KEYS = 1_000;
const MAX_OPERATION_ID = 128;
const FIRST_TERM = 1;

/** The part of a record store that a repository calls. */
export type RepositoryStore = Pick<RecordStore, 'read' | 'getMany' | 'query'> & {
  /** As {@link RecordStore.write}; whoever implements it knows the term. */
  write(intent: WriteIntent, options: Pick<WriteOptions, 'signal'>): Promise<WriteResult>;
};

/** Turns the record store of an entity into the repository that applications call: types, checks, keys, versions and pages. */
export class StoreRepository<E extends Entity<object>>
  implements Repository<EntityValue<E> & object, EntityKey<E>>
{
  readonly #entity: E;
  readonly #store: RepositoryStore;
  readonly #newOperationId: () => string;

  constructor(options: {
    readonly entity: E;
    readonly store: RepositoryStore;
    /** Names writes that their caller did not name. @default random */
    readonly newOperationId?: () => string;
  }) {
    this.#entity = options.entity;
    this.#store = options.store;
    this.#newOperationId = options.newOperationId ?? (() => crypto.randomUUID());
  }

  async get(
    key: EntityKey<E>,
    options: ReadOptions = {},
  ): Promise<Stored<EntityValue<E> & object> | undefined> {
    return this.#stored(liveRecord(await this.#store.read(this.#key(key), options)), 'get');
  }

  async getMany(
    keys: readonly EntityKey<E>[],
    options: ReadOptions = {},
  ): Promise<readonly (Stored<EntityValue<E> & object> | undefined)[]> {
    if (keys.length > MAX_KEYS)
      throw new InvalidOptionsError({
        message: `getMany takes ${MAX_KEYS} keys at most; ask in several calls`,
        entity: this.#entity.name,
      });
    if (keys.length === 0) return [];
    const records = await this.#store.getMany(
      keys.map((key) => this.#key(key)),
      options,
    );
    return records.map((record) => this.#stored(record, 'getMany'));
  }

  async query(
    query: Query<EntityValue<E> & object>,
    options: ReadOptions = {},
  ): Promise<Page<Stored<EntityValue<E> & object>>> {
    const planned = planQuery(this.#entity, query);
    const records = await this.#store.query(planned.plan, options);
    const page = records.slice(0, planned.pageSize);
    const items = page.map((record) => this.#stored(record, 'query')).filter((item) => item !== undefined);
    const last = page.at(-1);
    if (records.length <= planned.pageSize || !last) return { items };
    return { items, cursor: planned.cursorAfter(positionOf(planned.plan, last)) };
  }

  async *iterate(
    query: Query<EntityValue<E> & object>,
    options: ReadOptions = {},
  ): AsyncGenerator<Stored<EntityValue<E> & object>, void, undefined> {
    let cursor = query.cursor;
    do {
      const page = await this.query({ ...query, cursor }, options);
      yield* page.items;
      cursor = page.cursor;
    } while (cursor !== undefined);
  }

  async create(given: EntityValue<E> & object, options: CreateOptions = {}): Promise<Written> {
    const value: unknown = this.#withTtl(given, options);
    checkValue(this.#entity, value, 'create');
    return this.#write(
      {
        kind: 'create',
        key: keyOfValue(this.#entity, value),
        operationId: this.#operationId(options),
        value,
      },
      options,
    );
  }

  async upsert(value: EntityValue<E> & object, options: ReplaceOptions = {}): Promise<Written> {
    return this.#put('upsert', value, options);
  }

  async replace(value: EntityValue<E> & object, options: ReplaceOptions = {}): Promise<Written> {
    return this.#put('replace', value, options);
  }

  async patch(
    key: EntityKey<E>,
    patch: Patch<EntityValue<E> & object>,
    options: PatchOptions = {},
  ): Promise<Written> {
    const recordKey = this.#key(key);
    const changes: unknown = patch;
    if (typeof changes !== 'object' || changes === null || Array.isArray(changes))
      throw new InvalidDataError({
        message: 'A patch must be an object',
        operation: 'patch',
        entity: this.#entity.name,
      });
    const issues = portabilityIssues(changes);
    if (issues.length > 0)
      throw new InvalidDataError({
        message: 'The patch cannot be stored',
        operation: 'patch',
        entity: this.#entity.name,
        key: keyLabel(recordKey),
        issues,
      });
    // A patch is JSON by its type, where null removes; what it makes of the value is checked after the merge.
    const intent: WriteIntent = {
      kind: 'patch',
      key: recordKey,
      operationId: this.#operationId(options),
      patch: this.#withTtl(changes, options) as JsonObject,
      ifVersion: options.ifVersion,
    };
    return this.#write(intent, options);
  }

  async delete(key: EntityKey<E>, options: ChangeOptions = {}): Promise<Deleted> {
    const intent: WriteIntent = {
      kind: 'delete',
      key: this.#key(key),
      operationId: this.#operationId(options),
      ifVersion: options.ifVersion,
    };
    const result = await this.#store.write(intent, options);
    return { ...written(result, intent), existed: result.existed };
  }

  async #put(
    kind: 'upsert' | 'replace',
    given: EntityValue<E> & object,
    options: ReplaceOptions,
  ): Promise<Written> {
    const value: unknown = this.#withTtl(given, options);
    checkValue(this.#entity, value, kind);
    const { ifVersion, dropUnknown } = options;
    return this.#write(
      {
        kind,
        key: keyOfValue(this.#entity, value),
        operationId: this.#operationId(options),
        value,
        ifVersion,
        dropUnknown,
      },
      options,
    );
  }

  async #write(intent: WriteIntent, options: ReadOptions): Promise<Written> {
    return written(await this.#store.write(intent, options), intent);
  }

  #withTtl(value: object, { ttl }: LifetimeOptions): object {
    if (ttl === undefined) return value;
    if (this.#entity.ttl === undefined)
      throw new InvalidOptionsError({
        message: `Records of ${this.#entity.name} do not expire; declare it with ttl in defineEntity`,
        entity: this.#entity.name,
      });
    return { ...value, [TTL_FIELD]: ttlSeconds(ttl, 'ttl') };
  }

  #operationId(options: WriteCallOptions): string {
    const id = options.operationId ?? this.#newOperationId();
    if (typeof id !== 'string' || id === '' || id.length > MAX_OPERATION_ID || !/^[\x20-\x7e]+$/.test(id)) {
      throw new InvalidOptionsError({
        message: `operationId must be 1 to ${MAX_OPERATION_ID} printable ASCII characters`,
      });
    }
    return id;
  }

  #key(key: EntityKey<E>): RecordKey {
    return keyFrom(this.#entity, key);
  }

  #stored(record: LiveRecord | undefined, operation: string): Stored<EntityValue<E> & object> | undefined {
    if (!record) return undefined;
    if (!this.#entity.loose) {
      const issues = this.#entity.issues(record.value, record);
      if (issues.length > 0) {
        throw new InvalidDataError({
          message:
            'A stored record does not fit the schema; mend the document, widen the schema, or declare the entity loose',
          operation,
          entity: this.#entity.name,
          key: keyLabel(record.key),
          issues,
        });
      }
    }
    // The one cast from stored JSON to the entity's type: the schema has just checked it, unless the entity is loose.
    return {
      value: record.value as EntityValue<E> & object,
      version: record.version,
      ...(record.expiresAtMs === undefined ? {} : { expiresAt: new Date(record.expiresAtMs) }),
    };
  }
}

/**
 * A repository over one store alone, with no migration.
 *
 * @example
 * ```ts
 * import { defineEntity, repositoryIn } from '@polyphase/core';
 * import { memoryDocumentStore } from '@polyphase/core/memory';
 * import { z } from 'zod';
 *
 * const Account = defineEntity({
 *   name: 'accounts',
 *   schema: z.object({ id: z.string(), tenantId: z.string() }),
 *   key: { partition: 'tenantId', id: 'id' },
 * });
 * const accounts = repositoryIn(memoryDocumentStore(), Account);
 * await accounts.create({ id: 'a1', tenantId: 't1' });
 * ```
 */
export function repositoryIn<E extends Entity<object>>(
  host: Pick<RecordHost, 'records'>,
  entity: E,
): StoreRepository<E> {
  const records = host.records(entity);
  const store: RepositoryStore = {
    read: (key, options) => records.read(key, options),
    getMany: (keys, options) => records.getMany(keys, options),
    query: (plan, options) => records.query(plan, options),
    write: (intent, options) => records.write(intent, { ...options, term: FIRST_TERM }),
  };
  return new StoreRepository({ entity, store });
}

function written(result: WriteResult, intent: WriteIntent): Written {
  return {
    version: encodeVersion(result.record.version, result.record.etag),
    operationId: intent.operationId,
  };
}
