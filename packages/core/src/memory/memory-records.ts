import type { Clock } from '../clock.ts';
import type { Entity } from '../entity.ts';
import { isExpired, sameExpiry } from '../expiry.ts';
import type { Journaled } from '../journal.ts';
import { canonicalJson } from '../json.ts';
import { judgeCopy } from '../judge-copy.ts';
import { bucketOf, keyText, type RecordKey } from '../key.ts';
import { type LiveRecord, liveRecord, liveRecords } from '../live-record.ts';
import type { QueryPlan } from '../query-plan.ts';
import type { StoredRecord } from '../record.ts';
import type {
  CallOptions,
  CopyOptions,
  CopyOutcome,
  RecordCopy,
  RecordStore,
  RecordSummary,
  ScanOptions,
  WriteOptions,
  WriteResult,
} from '../record-store.ts';
import { decideWrite, type WriteDecision, type WriteIntent } from '../record-write.ts';
import type { MemoryCheckpoints } from './memory-checkpoints.ts';
import type { FencePass, MemoryControl } from './memory-control.ts';
import type { MemoryDirtyKeys } from './memory-dirty-keys.ts';
import type { MemoryJournal } from './memory-journal.ts';
import { runQuery } from './memory-query.ts';
import { copyRecord, type MemoryTable } from './memory-table.ts';
import { turn } from './memory-turn.ts';

const SCAN_PAGE = 500;

/** What a store of rows does together with its writes, in one step. A store of documents has none of it. */
export interface RowParts {
  readonly control: MemoryControl;
  readonly dirtyKeys: MemoryDirtyKeys;
  readonly journal: MemoryJournal;
  readonly checkpoints: MemoryCheckpoints;
  /** Waited for between the fence of a write and its effect. */
  readonly inFlight?: (() => Promise<void>) | undefined;
}

/** What a decision made, told as a store tells it. */
export function toWriteResult(decision: WriteDecision, intent: WriteIntent): WriteResult {
  const { record, existed } = decision;
  // Deleting what is deleted stores nothing either, but is no repetition.
  const repeated = decision.kind === 'done' && record.operations.some((it) => it.id === intent.operationId);
  return { record, existed, repeated };
}

/** The records of one entity in memory: what every other store must agree with. */
export class MemoryRecords implements RecordStore {
  readonly #table: MemoryTable;
  readonly #clock: Clock;
  readonly #rows: RowParts | undefined;

  constructor(options: {
    readonly table: MemoryTable;
    readonly clock: Clock;
    /** Absent: a store of documents. */
    readonly rows?: RowParts | undefined;
  }) {
    this.#table = options.table;
    this.#clock = options.clock;
    this.#rows = options.rows;
  }

  async read(key: RecordKey, options?: CallOptions): Promise<StoredRecord | undefined> {
    await turn(options);
    return this.#table.get(key);
  }

  async readMany(
    keys: readonly RecordKey[],
    options?: CallOptions,
  ): Promise<readonly (StoredRecord | undefined)[]> {
    await turn(options);
    return keys.map((key) => this.#table.get(key));
  }

  async getMany(
    keys: readonly RecordKey[],
    options?: CallOptions,
  ): Promise<readonly (LiveRecord | undefined)[]> {
    return (await this.readMany(keys, options)).map(liveRecord);
  }

  async query(plan: QueryPlan, options?: CallOptions): Promise<readonly LiveRecord[]> {
    await turn(options);
    return liveRecords(runQuery(this.#records(), plan).map(copyRecord));
  }

  async write(intent: WriteIntent, options: WriteOptions): Promise<WriteResult> {
    await turn(options);
    const pass = await this.#enter(options);
    try {
      // In flight: past the fence, and not yet done. From here on nothing waits, so nobody can come between.
      await turn(options);
      await this.#rows?.inFlight?.();
      const decision = decideWrite(this.#table.get(intent.key), intent, {
        entity: this.#table.entity,
        term: options.term,
        serverNowMs: this.#clock.now(),
      });
      if (decision.kind === 'done') return toWriteResult(decision, intent);
      this.#table.checkUnique(decision.record, intent.kind);
      const record = this.#table.put(decision.record);
      if (pass?.capture === true)
        this.#rows?.dirtyKeys.mark(this.#table.entity.name, record.key, record.version);
      return { ...toWriteResult(decision, intent), record };
    } finally {
      pass?.leave();
    }
  }

  async apply(copies: readonly RecordCopy[], options: CopyOptions = {}): Promise<readonly CopyOutcome[]> {
    await turn(options);
    // Whatever can be refused is refused before anything is stored.
    if (options.judgedIn) this.#rows?.control.checkTerm(options.judgedIn);
    if (options.checkpoint) this.#rows?.checkpoints.advanceNow(options.checkpoint);
    const conflicts: Journaled[] = [];
    const outcomes = copies.map((copy) => this.#apply(copy, conflicts));
    this.#rows?.journal.appendNow([...(options.journal ?? []), ...conflicts]);
    return outcomes;
  }

  async *scan(options: ScanOptions = {}): AsyncGenerator<readonly RecordSummary[], void, undefined> {
    await turn(options);
    const all = [...this.#table.entries()].filter((entry) => this.#covers(options, entry));
    for (let at = 0; at < all.length; at += SCAN_PAGE) {
      yield all
        .slice(at, at + SCAN_PAGE)
        .map(({ record: { key, version, digest, expiresAtMs } }) => ({ key, version, digest, expiresAtMs }));
      await turn(options);
    }
  }

  async count(options?: CallOptions): Promise<number> {
    await turn(options);
    let live = 0;
    for (const record of this.#records()) if (record.value !== undefined) live += 1;
    return live;
  }

  async #enter({ fence, term, signal }: WriteOptions): Promise<FencePass | undefined> {
    return fence === undefined ? undefined : this.#rows?.control.enter(fence, term, signal);
  }

  #apply(copy: RecordCopy, conflicts: Journaled[]): CopyOutcome {
    const there = this.#table.get(copy.record.key);
    const verdict = judgeCopy(copy, there);
    const hasExpired = isExpired(copy.record, this.#table.now());
    if (verdict === 'newer' && !this.#rows && !there && hasExpired) return { kind: 'same', there };
    if (
      verdict === 'newer' ||
      (verdict === 'same' && !this.#rows && there && !sameExpiry(copy.record, there))
    ) {
      // Rows become unique when they are about to be the authority: swaps of unique values arrive out of order.
      if (!this.#rows && !hasExpired) this.#table.checkUnique(copy.record, 'apply');
      return { kind: 'applied', record: this.#table.put(copy.record) };
    }
    if (there && (verdict === 'diverged' || verdict === 'straggler'))
      conflicts.push(conflictOf(this.#table.entity, copy.record, there, verdict));
    return { kind: verdict, there };
  }

  #covers(
    { buckets, changedSinceMs }: ScanOptions,
    entry: { readonly record: StoredRecord; readonly changedMs: number },
  ): boolean {
    if (isExpired(entry.record, this.#table.now())) return false;
    if (!this.#rows && changedSinceMs !== undefined && entry.changedMs < changedSinceMs) return false;
    if (!buckets) return true;
    // The bucket is in the stamp, so a document without one is in none.
    if (entry.record.version.term === 0) return false;
    const bucket = bucketOf(entry.record.key);
    return bucket >= buckets.from && bucket < buckets.to;
  }

  *#records(): Generator<StoredRecord, void, undefined> {
    for (const { record } of this.#table.entries()) yield record;
  }
}

function conflictOf(
  entity: Entity,
  copy: StoredRecord,
  there: StoredRecord,
  verdict: 'diverged' | 'straggler',
): Journaled {
  const body = (record: StoredRecord) =>
    record.value === undefined ? undefined : canonicalJson(record.value);
  return {
    kind: 'conflict',
    entity: entity.name,
    key: keyText(copy.key),
    reason:
      verdict === 'diverged'
        ? 'One version has two bodies: the document was changed under its stamp. Compare the bodies and write the right one'
        : 'A write of an earlier term arrived after the authority had moved. Compare the bodies and write the right one',
    issues: [],
    bodies: { theirs: body(copy), ours: body(there) },
  };
}
