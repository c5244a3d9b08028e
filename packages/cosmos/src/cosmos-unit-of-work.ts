import type { OperationInput } from '@azure/cosmos';
import {
  decideWrite,
  type Entity,
  InvalidOptionsError,
  keyLabel,
  keyText,
  type LiveRecord,
  liveRecord,
  liveRecords,
  partitionText,
  type QueryPlan,
  type RecordKey,
  type RecordStore,
  type RunUnit,
  type StoredRecord,
  TransactionConflictError,
  type UnitOfWork,
  type UnitOptions,
  type UnitRecords,
  type UnitResult,
  UnsupportedError,
  type WriteIntent,
  type WriteResult,
} from '@polyphase/core';
import { runQuery } from '@polyphase/core/memory';
import { type Pending, sendBatch } from './cosmos-batch.ts';
import { toDocument } from './cosmos-document.ts';
import {
  type FoundRecord,
  findRecord,
  growOlder,
  hasMark,
  idTaken,
  isRemoval,
  isTooYoung,
  NEEDS_ID,
  type RecordPlace,
  toWriteResult,
  WRITE_ATTEMPTS,
} from './cosmos-write.ts';

/** Limits of a transactional batch. */
const MAX_OPERATIONS = 100;
const MAX_BATCH_BYTES = 2_000_000;

/** An entity's records and where they are, for units of work. */
export interface UnitPlace extends RecordPlace {
  readonly records: RecordStore;
}

type Written = UnitResult<unknown>['written'][number];

/**
 * One unit of work: writes are decided when they are added, and sent as one transactional batch at the end.
 *
 * States: open; ended, in which nothing more may be added.
 */
class CosmosUnit implements UnitOfWork {
  readonly #placeOf: (entity: Entity) => UnitPlace;
  readonly #options: UnitOptions;
  readonly #pending = new Map<string, Pending>();
  readonly #written: Written[] = [];
  #container: string | undefined;
  #partition: string | undefined;
  #ended = false;

  constructor(placeOf: (entity: Entity) => UnitPlace, options: UnitOptions) {
    this.#placeOf = placeOf;
    this.#options = options;
  }

  records(entity: Entity): UnitRecords {
    const place = this.#placeOf(entity);
    return {
      read: async (key, options) => {
        this.#checkOpen();
        return this.#pendingAt(place, key)?.record ?? place.records.read(key, options);
      },
      getMany: async (keys, options) => {
        this.#checkOpen();
        const stored = await place.records.getMany(keys, options);
        return keys.map((key, i) => {
          const own = this.#pendingAt(place, key);
          return own ? liveRecord(own.record) : stored[i];
        });
      },
      query: async (plan, options) => {
        this.#checkOpen();
        return this.#query(place, plan, options);
      },
      write: (intent, options) => this.#write(place, intent, options?.signal),
    };
  }

  /** Sends every write, or finds that there is none. */
  async commit(): Promise<readonly Written[]> {
    this.#ended = true;
    const pending = [...this.#pending.values()];
    // What is removed bears no mark by which a lost answer is settled.
    const first = pending.find(({ operation }) => operation.operationType !== 'Delete') ?? pending[0];
    if (first) await sendBatch(pending, { ...this.#options, first });
    return this.#written;
  }

  /** Ends the unit: what is added later would be lost. */
  end(): void {
    this.#ended = true;
  }

  async #write(place: UnitPlace, intent: WriteIntent, signal = this.#options.signal): Promise<WriteResult> {
    this.#checkOpen();
    this.#checkConfined(place, intent);
    // Claimed before the read, so that of two writes added side by side the second is refused.
    this.#container ??= place.items.container.id;
    this.#partition ??= partitionText(intent.key.partition);
    const { entity } = place;
    const fence = this.#options.fenceOf(entity);
    const removes = isRemoval(place, intent, fence);
    const found = await this.#find(place, intent, { removes, signal });
    this.#checkOpen();
    const before = this.#pendingAt(place, intent.key);
    const isTaken = found.taken || (!before && this.#pending.has(keyText(intent.key)));
    if (isTaken && !removes && NEEDS_ID.has(intent.kind)) throw idTaken(place, intent.key, intent.kind);
    const base = before ? before.base : found.record;
    const decision = decideWrite(before ? withoutOwnMark(before, intent) : base, intent, {
      entity,
      term: fence.term,
      serverNowMs: found.serverNowMs,
    });
    const result = toWriteResult(decision, intent);
    if (decision.kind === 'store') {
      const { record } = decision;
      if (removes) this.#addRemoval(place, intent, { base, record });
      else await this.#add(place, intent, { base, record });
    }
    this.#written.push({ entity, result });
    return result;
  }

  async #find(
    place: UnitPlace,
    intent: WriteIntent,
    { removes, signal }: { readonly removes: boolean; readonly signal: AbortSignal | undefined },
  ): Promise<FoundRecord> {
    for (let attempt = 1; attempt <= WRITE_ATTEMPTS; attempt += 1) {
      const found = await findRecord(place, intent.key, { operation: intent.kind, signal });
      if (!removes || !isTooYoung(found.record, found.serverNowMs)) return found;
      await growOlder(signal);
    }
    throw new TransactionConflictError({
      message: 'The record is ahead of the date of Cosmos DB, or written all the time; run the unit again',
      ...whereOf(place, intent),
    });
  }

  #addRemoval(
    place: UnitPlace,
    intent: WriteIntent,
    { base, record }: Pick<Pending, 'base' | 'record'>,
  ): void {
    const id = keyText(record.key);
    // Made by this unit, if at all: nothing of it was ever stored.
    if (base?.etag === undefined) this.#pending.delete(id);
    else {
      // The driver's type leaves out the condition, which it sends as it is and the service heeds.
      const operation = { operationType: 'Delete', id: record.key.id, ifMatch: base.etag } as const;
      this.#pending.set(id, { place, base, record, bytes: 0, operation, intent });
    }
  }

  async #add(
    place: UnitPlace,
    intent: WriteIntent,
    { base, record }: Pick<Pending, 'base' | 'record'>,
  ): Promise<void> {
    const { uniqueKeys } = await place.items.info(this.#options);
    const document = toDocument(record, { ...place, uniquePaths: uniqueKeys.flat() });
    const bytes = new TextEncoder().encode(JSON.stringify(document)).length;
    const id = keyText(record.key);
    const others = [...this.#pending].filter(([other]) => other !== id);
    if (others.reduce((sum, [, it]) => sum + it.bytes, bytes) > MAX_BATCH_BYTES)
      throw new UnsupportedError({
        message: `A unit of work over documents holds ${MAX_BATCH_BYTES} bytes at most`,
        ...whereOf(place, intent),
      });
    const resourceBody = { ...document };
    const operation: OperationInput =
      base?.etag === undefined
        ? { operationType: 'Create', resourceBody }
        : { operationType: 'Replace', id: record.key.id, resourceBody, ifMatch: base.etag };
    this.#pending.set(id, { place, base, record, bytes, operation, intent });
  }

  #checkConfined(place: UnitPlace, intent: WriteIntent): void {
    const refuse = (message: string): never => {
      throw new UnsupportedError({ message, ...whereOf(place, intent) });
    };
    if (this.#container !== undefined && this.#container !== place.items.container.id)
      refuse('A unit of work over documents is confined to one container; this write is in a second one');
    if (this.#partition !== undefined && this.#partition !== partitionText(intent.key.partition))
      refuse(
        'A unit of work over documents is confined to one logical partition; this write is in a second one',
      );
    if (this.#written.length >= MAX_OPERATIONS)
      refuse(`A unit of work over documents holds ${MAX_OPERATIONS} writes at most`);
  }

  // The store answers with room for as many records as this unit has changed; those are taken out, and put in as they are now.
  async #query(
    place: UnitPlace,
    plan: QueryPlan,
    options: Parameters<UnitRecords['query']>[1],
  ): Promise<readonly LiveRecord[]> {
    const own = new Map([...this.#pending].filter(([, it]) => it.place.entity.name === place.entity.name));
    const stored = await place.records.query({ ...plan, limit: plan.limit + own.size }, options);
    if (own.size === 0) return stored;
    const others = stored.filter((record) => !own.has(keyText(record.key)));
    return runQuery([...others, ...liveRecords([...own.values()].map((it) => it.record))], plan);
  }

  #pendingAt(place: UnitPlace, key: RecordKey): Pending | undefined {
    const pending = this.#pending.get(keyText(key));
    return pending?.place.entity.name === place.entity.name ? pending : undefined;
  }

  #checkOpen(): void {
    if (this.#ended)
      throw new InvalidOptionsError({
        message: 'This unit of work has ended; await every call inside the work',
      });
  }
}

// Several writes of a unit may carry its operation id: only what was committed before counts as done.
function withoutOwnMark({ base, record }: Pending, { operationId }: WriteIntent): StoredRecord {
  if (hasMark(base, operationId)) return record;
  return { ...record, operations: record.operations.filter((mark) => mark.id !== operationId) };
}

function whereOf(
  { entity }: RecordPlace,
  intent: WriteIntent,
): { operation: string; entity: string; key: string } {
  return { operation: intent.kind, entity: entity.name, key: keyLabel(intent.key) };
}

/** Runs units of work, each one transactional batch in one logical partition of one container. */
export function createRunUnit(placeOf: (entity: Entity) => UnitPlace): RunUnit {
  return async (work, options) => {
    const unit = new CosmosUnit(placeOf, options);
    try {
      const result = await work(unit);
      return { result, written: await unit.commit() };
    } finally {
      unit.end();
    }
  };
}
