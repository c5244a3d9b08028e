import type { Clock } from '../clock.ts';
import type { Entity } from '../entity.ts';
import { InvalidOptionsError, TransactionConflictError, UnsupportedError } from '../errors.ts';
import { keyLabel, keyText, partitionText, type RecordKey } from '../key.ts';
import { liveRecord, liveRecords } from '../live-record.ts';
import type { StoredRecord } from '../record.ts';
import type { CallOptions, WriteResult } from '../record-store.ts';
import { decideWrite, type WriteIntent } from '../record-write.ts';
import type { RunUnit, UnitOfWork, UnitOptions, UnitRecords } from '../unit-of-work.ts';
import type { FencePass, MemoryControl } from './memory-control.ts';
import type { MemoryDirtyKeys } from './memory-dirty-keys.ts';
import { runQuery } from './memory-query.ts';
import { toWriteResult } from './memory-records.ts';
import { copyRecord, type MemoryTable } from './memory-table.ts';
import { turn } from './memory-turn.ts';

/** What a unit of work in a store of documents may hold: the limits of a transactional batch. */
const MAX_OPERATIONS = 100;

/** What units of work are made of. */
export interface UnitParts {
  readonly clock: Clock;
  tableOf(entity: Entity): MemoryTable;
  /** Present in a store of rows, which is fenced and captures; absent in one of documents, which has the limits of a batch. */
  readonly rows?: { readonly control: MemoryControl; readonly dirtyKeys: MemoryDirtyKeys } | undefined;
}

interface Pending {
  readonly table: MemoryTable;
  /** The change that the first write of the key was decided on; another one by the time of the commit is a conflict. */
  readonly basedOn: number;
  readonly fence: string | undefined;
  readonly record: StoredRecord;
}

interface Written {
  readonly entity: Entity;
  readonly result: WriteResult;
}

const pendingKey = (entity: Entity, key: RecordKey): string => `${entity.name} ${keyText(key)}`;

/**
 * One unit of work: writes are decided when they are added and stored together at the end.
 *
 * States: open; ended, in which nothing more may be added.
 */
class MemoryUnit implements UnitOfWork {
  readonly #parts: UnitParts;
  readonly #options: UnitOptions;
  readonly #pending = new Map<string, Pending>();
  readonly #written: Written[] = [];
  readonly #entering = new Map<string, Promise<FencePass>>();
  #partition: string | undefined;
  #ended = false;

  constructor(parts: UnitParts, options: UnitOptions) {
    this.#parts = parts;
    this.#options = options;
  }

  records(entity: Entity): UnitRecords {
    return {
      read: async (key, options) => {
        await this.#turn(options);
        return this.#read(entity, key);
      },
      getMany: async (keys, options) => {
        await this.#turn(options);
        return keys.map((key) => liveRecord(this.#read(entity, key)));
      },
      query: async (plan, options) => {
        await this.#turn(options);
        return liveRecords(runQuery(this.#merged(entity), plan).map(copyRecord));
      },
      write: (intent, options) => this.#write(entity, intent, options),
    };
  }

  /** Stores every write, or none. */
  async commit(): Promise<readonly Written[]> {
    await turn(this.#options);
    const passes = new Map<string, FencePass>();
    for (const [group, entering] of this.#entering) passes.set(group, await entering);
    this.#ended = true;
    // From here on nothing waits, and whatever can be refused is refused before anything is stored: the unit is atomic.
    for (const pending of this.#pending.values()) this.#check(pending);
    for (const { table, record, fence } of this.#pending.values()) {
      table.put(record);
      if (fence !== undefined && passes.get(fence)?.capture === true)
        this.#parts.rows?.dirtyKeys.mark(table.entity.name, record.key, record.version);
    }
    return this.#written;
  }

  /** Ends the unit and gives its fences back. Safe to repeat. */
  async end(): Promise<void> {
    this.#ended = true;
    for (const entered of await Promise.allSettled(this.#entering.values()))
      if (entered.status === 'fulfilled') entered.value.leave();
  }

  async #write(entity: Entity, intent: WriteIntent, options?: CallOptions): Promise<WriteResult> {
    await this.#turn(options);
    this.#checkLimits(entity, intent);
    const { term, fence } = this.#options.fenceOf(entity);
    if (fence !== undefined && this.#parts.rows) await this.#enter(fence, term, this.#parts.rows.control);
    this.#checkOpen();
    const id = pendingKey(entity, intent.key);
    const table = this.#parts.tableOf(entity);
    const there = table.get(intent.key);
    const before = this.#pending.get(id);
    // Several writes of a unit may carry its operation id: only what was committed before counts as done.
    const current = before ? { ...before.record, operations: there?.operations ?? [] } : there;
    const decision = decideWrite(current, intent, { entity, term, serverNowMs: this.#parts.clock.now() });
    const result = toWriteResult(decision, intent);
    if (decision.kind === 'store') {
      const basedOn = before?.basedOn ?? table.sequenceOf(intent.key);
      this.#pending.set(id, { table, basedOn, fence, record: copyRecord(decision.record) });
    }
    this.#partition ??= partitionText(intent.key.partition);
    this.#written.push({ entity, result });
    return { ...result, record: copyRecord(result.record) };
  }

  #read(entity: Entity, key: RecordKey): StoredRecord | undefined {
    const pending = this.#pending.get(pendingKey(entity, key));
    return pending ? copyRecord(pending.record) : this.#parts.tableOf(entity).get(key);
  }

  *#merged(entity: Entity): Generator<StoredRecord, void, undefined> {
    for (const { record } of this.#parts.tableOf(entity).entries())
      if (!this.#pending.has(pendingKey(entity, record.key))) yield record;
    for (const { table, record } of this.#pending.values())
      if (table.entity.name === entity.name) yield record;
  }

  #check({ table, record, basedOn }: Pending): void {
    if (table.sequenceOf(record.key) !== basedOn)
      throw new TransactionConflictError({
        message: 'A record changed while the unit of work ran; run it again',
        operation: 'commit',
        entity: table.entity.name,
        key: keyLabel(record.key),
      });
    table.checkUnique(record, 'commit', this.#merged(table.entity));
  }

  #checkLimits(entity: Entity, intent: WriteIntent): void {
    if (this.#parts.rows) return;
    const where = { operation: intent.kind, entity: entity.name, key: keyLabel(intent.key) };
    if (this.#partition !== undefined && partitionText(intent.key.partition) !== this.#partition)
      throw new UnsupportedError({
        message:
          'A unit of work over documents is confined to one logical partition; this write is in a second one',
        ...where,
      });
    if (this.#written.length >= MAX_OPERATIONS)
      throw new UnsupportedError({
        message: `A unit of work over documents holds ${MAX_OPERATIONS} writes at most`,
        ...where,
      });
  }

  // One fence for each group, however many writes want it: asking twice behind a waiting owner would wait for ever.
  #enter(fence: string, term: number, control: MemoryControl): Promise<FencePass> {
    const entering = this.#entering.get(fence) ?? control.enter(fence, term, this.#options.signal);
    this.#entering.set(fence, entering);
    return entering;
  }

  async #turn(options?: CallOptions): Promise<void> {
    this.#checkOpen();
    await turn(options);
    this.#checkOpen();
  }

  #checkOpen(): void {
    if (this.#ended)
      throw new InvalidOptionsError({
        message: 'This unit of work has ended; await every call inside the work',
      });
  }
}

/** Runs units of work over memory tables. */
export function memoryRunUnit(parts: UnitParts): RunUnit {
  return async (work, options) => {
    const unit = new MemoryUnit(parts, options);
    try {
      const result = await work(unit);
      return { result, written: await unit.commit() };
    } finally {
      await unit.end();
    }
  };
}
