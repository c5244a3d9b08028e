import {
  BUCKETS,
  type CallOptions,
  type CopyOptions,
  type CopyOutcome,
  type Entity,
  keyText,
  type LiveRecord,
  type QueryPlan,
  type RecordCopy,
  type RecordKey,
  type RecordStore,
  type RecordSummary,
  type ScanOptions,
  type StoredRecord,
  type WriteIntent,
  type WriteOptions,
  type WriteResult,
} from '@polyphase/core';
import type { Connections, UseOptions } from './connections.ts';
import { CopyApplier } from './copy-applier.ts';
import { type LiveRow, liveRow, liveWidth } from './live-rows.ts';
import { RecordWriter } from './record-writer.ts';
import { type RowRead, readOne } from './row-read.ts';
import { SharedReads } from './shared-reads.ts';
import { numberCell } from './statement.ts';
import type { KnownTable, Tables } from './tables.ts';

const SCAN_PAGE = 1_000;

// For types alone: every place is that of a key.
const NO_KEY: RecordKey = { partition: [], id: '' };

type Send = ReturnType<Connections['one']>;

/** The records of one entity in its table. */
export class PostgresRecords implements RecordStore {
  readonly #entity: Entity;
  readonly #connections: Connections;
  readonly #tables: Tables;
  readonly #writer: RecordWriter;
  readonly #applier: CopyApplier;
  readonly #shared: SharedReads;

  constructor(options: {
    readonly entity: Entity;
    readonly connections: Connections;
    readonly tables: Tables;
  }) {
    this.#entity = options.entity;
    this.#connections = options.connections;
    this.#tables = options.tables;
    this.#writer = new RecordWriter(options);
    this.#applier = new CopyApplier(options);
    this.#shared = new SharedReads(options);
  }

  async read(key: RecordKey, options?: CallOptions): Promise<StoredRecord | undefined> {
    const place = this.#place('read', options);
    const send: Send = (bound) => this.#shared.run(bound, place);
    const rows = await this.#rows(({ statements }) => readOne(statements.read, key), place, send);
    return rows[0]?.record;
  }

  async readMany(
    keys: readonly RecordKey[],
    options?: CallOptions,
  ): Promise<readonly (StoredRecord | undefined)[]> {
    const place = this.#place('readMany', options);
    const rows = await this.#rows(({ statements }) => readOne(statements.readMany, keys), place);
    const records: (StoredRecord | undefined)[] = keys.map(() => undefined);
    for (const { place: at, record } of rows) records[at] = record;
    return records;
  }

  async getMany(
    keys: readonly RecordKey[],
    options?: CallOptions,
  ): Promise<readonly (LiveRecord | undefined)[]> {
    const place = this.#place('getMany', options);
    const records: (LiveRecord | undefined)[] = keys.map(() => undefined);
    await this.#rows((known) => getMany(known, keys, records), place);
    return records;
  }

  async query(plan: QueryPlan, options?: CallOptions): Promise<readonly LiveRecord[]> {
    const place = this.#place('query', options);
    return (await this.#rows(({ queries }) => queries.bind(plan), place)).map(({ record }) => record);
  }

  async write(intent: WriteIntent, options: WriteOptions): Promise<WriteResult> {
    return this.#writer.write(intent, options);
  }

  async apply(copies: readonly RecordCopy[], options: CopyOptions = {}): Promise<readonly CopyOutcome[]> {
    return this.#applier.apply(copies, options);
  }

  async *scan(options: ScanOptions = {}): AsyncGenerator<readonly RecordSummary[], void, undefined> {
    const { from, to } = options.buckets ?? { from: 0, to: BUCKETS };
    const place = this.#place('scan', options);
    const { statements } = await this.#tables.get(this.#entity, this.#connections.one(place));
    let at = { bucket: from, pk: '', id: '' };
    for (;;) {
      const bound = statements.scan.bind({ ...at, toBucket: to, limit: SCAN_PAGE });
      const [result] = await this.#connections.run([bound], place);
      const rows = statements.scan.rows(result);
      if (rows.length > 0)
        yield await this.#digested(
          rows.map(({ summary }) => summary),
          options,
        );
      const last = rows.at(-1);
      if (rows.length < SCAN_PAGE || !last) return;
      at = { bucket: last.bucket, pk: last.pk, id: last.summary.key.id };
    }
  }

  async count(options?: CallOptions): Promise<number> {
    const place = { ...this.#place('count', options), whole: true };
    const { statements } = await this.#tables.get(this.#entity, this.#connections.one(place));
    const [result] = await this.#connections.run([statements.count.bind(undefined)], place);
    return statements.count.rows(result)[0] ?? 0;
  }

  // A write around the SDK leaves no digest: it is that of the record as it is now.
  async #digested(
    summaries: readonly RecordSummary[],
    options: CallOptions,
  ): Promise<readonly RecordSummary[]> {
    const bare = summaries.filter(({ digest }) => digest === '').map(({ key }) => key);
    if (bare.length === 0) return summaries;
    const found = new Map((await this.readMany(bare, options)).map((record, i) => [bare[i], record]));
    return summaries.flatMap((summary) => {
      if (summary.digest !== '') return [summary];
      const record = found.get(summary.key);
      return record ? [{ key: record.key, version: record.version, digest: record.digest }] : [];
    });
  }

  // Rows that were written by another layout than we know are read again by that one.
  async #rows<Row extends { readonly layout: number }>(
    read: (known: KnownTable) => RowRead<Row>,
    place: UseOptions,
    send: Send = this.#connections.one(place),
  ): Promise<readonly Row[]> {
    let known = await this.#tables.get(this.#entity, this.#connections.one(place));
    for (;;) {
      const { bound, rows } = read(known);
      const found = rows(await send(bound));
      const other = found.find(({ layout }) => layout !== known.table.layout);
      if (!other) return found;
      known = await this.#tables.get(this.#entity, this.#connections.one(place), other.layout);
    }
  }

  #place(operation: string, options: CallOptions | undefined): UseOptions {
    return { operation, entity: this.#entity.name, signal: options?.signal };
  }
}

// Puts the records in their places. Their keys are those that were asked for, so that no row brings its own.
function getMany(
  { statements, table }: KnownTable,
  keys: readonly RecordKey[],
  records: (LiveRecord | undefined)[],
): RowRead<LiveRow> {
  const width = liveWidth(table);
  return {
    bound: statements.getMany.bind(keys),
    rows: (result) =>
      statements.getMany.rows(result).map((cells) => {
        const place = numberCell(cells[width]) - 1;
        const row = liveRow(table, keys[place] ?? NO_KEY, cells);
        records[place] = row.record;
        return row;
      }),
  };
}

/** Records in the order of the keys that were asked for. */
export function inOrder(
  keys: readonly RecordKey[],
  records: readonly StoredRecord[],
): readonly (StoredRecord | undefined)[] {
  const found = new Map(records.map((record) => [keyText(record.key), record]));
  return keys.map((key) => found.get(keyText(key)));
}
