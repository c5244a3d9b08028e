import type { RecordKey, StoredRecord } from '@polyphase/core';
import type { BoundStatement } from './batch.ts';
import type { Cell } from './driver.ts';
import { changedHere } from './sql/changed-here.ts';
import { copyRecords } from './sql/copy-records.ts';
import { countRecords } from './sql/count-records.ts';
import { endClash } from './sql/end-clash.ts';
import { freeExpired } from './sql/free-expired.ts';
import { freeUnique } from './sql/free-unique.ts';
import { getRecords } from './sql/get-records.ts';
import { insertRecords, type RowsInput, type StoredKey } from './sql/insert-records.ts';
import { listClashes } from './sql/list-clashes.ts';
import { lockRecord } from './sql/lock-record.ts';
import { type LockInput, lockRecords } from './sql/lock-records.ts';
import { type Moment, readMoment } from './sql/read-moment.ts';
import { type ReadRow, readRecord } from './sql/read-record.ts';
import { readRecords, type WantedRow } from './sql/read-records.ts';
import { type ScanPosition, type ScanRow, scanRecords } from './sql/scan-records.ts';
import { type RowInput, type StoreOptions, storeRecord } from './sql/store-record.ts';
import { updateRecords } from './sql/update-records.ts';
import { type OnceInput, type OnceOptions, type OnceRow, writeOnce } from './sql/write-once.ts';
import type { Statement } from './statement.ts';
import type { Table } from './table.ts';

/** The statements for one table in one layout, each compiled once. */
export interface TableStatements {
  readonly read: Statement<RecordKey, ReadRow>;
  readonly readMany: Statement<readonly RecordKey[], WantedRow>;
  readonly getMany: Statement<readonly RecordKey[], readonly Cell[]>;
  readonly lock: Statement<RecordKey, StoredRecord>;
  readonly lockMany: Statement<readonly LockInput[], StoredRecord>;
  readonly changedHere: Statement<RecordKey, true>;
  readonly moment: Statement<undefined, Moment>;
  readonly copyMany: (rows: readonly (readonly Cell[])[]) => BoundStatement;
  readonly insertMany: Statement<RowsInput, StoredKey>;
  readonly updateMany: Statement<RowsInput, StoredKey>;
  readonly clashes: Statement<undefined, RecordKey>;
  readonly endClash: Statement<RecordKey, undefined>;
  readonly freeExpired: Statement<undefined, undefined>;
  /** To be sent before a live record is stored; undefined where none is needed. */
  readonly freeUnique: Statement<RowInput, undefined> | undefined;
  readonly scan: Statement<ScanPosition, ScanRow>;
  readonly count: Statement<undefined, number>;
  store(options: StoreOptions): Statement<RowInput, undefined>;
  once(options: OnceOptions): Statement<OnceInput, OnceRow> | undefined;
}

/** Compiles the statements for a table; those that have options when they are first asked for. */
export function tableStatements(table: Table): TableStatements {
  return {
    read: readRecord(table),
    readMany: readRecords(table),
    getMany: getRecords(table),
    lock: lockRecord(table),
    lockMany: lockRecords(table),
    changedHere: changedHere(table),
    moment: readMoment(table),
    copyMany: copyRecords(table),
    insertMany: insertRecords(table),
    updateMany: updateRecords(table),
    clashes: listClashes(table),
    endClash: endClash(table),
    freeExpired: freeExpired(table),
    freeUnique: freeUnique(table),
    scan: scanRecords(table),
    count: countRecords(table),
    store: perShape(
      ({ over, capture }) => `${over} ${capture}`,
      (options: StoreOptions) => storeRecord(table, options),
    ),
    once: perShape(
      ({ kind, fenced, whole }) => `${kind} ${fenced} ${whole}`,
      (options: OnceOptions) => writeOnce(table, options),
    ),
  };
}

function perShape<Options, Made>(
  shapeOf: (options: Options) => string,
  make: (options: Options) => Made,
): (options: Options) => Made {
  const made = new Map<string, { readonly statement: Made }>();
  return (options) => {
    const shape = shapeOf(options);
    const known = made.get(shape) ?? { statement: make(options) };
    made.set(shape, known);
    return known.statement;
  };
}
