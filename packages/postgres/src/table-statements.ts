import type { RecordKey, StoredRecord } from '@polyphase/core';
import { countRecords } from './sql/count-records.ts';
import { endClash } from './sql/end-clash.ts';
import { insertRecords, type RowsInput, type StoredKey } from './sql/insert-records.ts';
import { listClashes } from './sql/list-clashes.ts';
import { lockRecord } from './sql/lock-record.ts';
import { lockRecords } from './sql/lock-records.ts';
import { type Moment, readMoment } from './sql/read-moment.ts';
import { type ReadRow, readRecord } from './sql/read-record.ts';
import { readRecords } from './sql/read-records.ts';
import { type ScanPosition, type ScanRow, scanRecords } from './sql/scan-records.ts';
import { type RowInput, type StoreOptions, storeRecord } from './sql/store-record.ts';
import { updateRecords } from './sql/update-records.ts';
import type { Statement } from './statement.ts';
import type { Table } from './table.ts';

/** The statements for one table in one layout, each compiled once. */
export interface TableStatements {
  readonly read: Statement<RecordKey, ReadRow>;
  readonly readMany: Statement<readonly RecordKey[], ReadRow>;
  readonly lock: Statement<RecordKey, StoredRecord>;
  readonly lockMany: Statement<readonly RecordKey[], StoredRecord>;
  readonly moment: Statement<undefined, Moment>;
  readonly insertMany: Statement<RowsInput, StoredKey>;
  readonly updateMany: Statement<RowsInput, StoredKey>;
  readonly clashes: Statement<undefined, RecordKey>;
  readonly endClash: Statement<RecordKey, undefined>;
  readonly scan: Statement<ScanPosition, ScanRow>;
  readonly count: Statement<undefined, number>;
  store(options: StoreOptions): Statement<RowInput, undefined>;
}

/** Compiles the statements for a table. */
export function tableStatements(table: Table): TableStatements {
  const stores = new Map<string, Statement<RowInput, undefined>>();
  return {
    read: readRecord(table),
    readMany: readRecords(table),
    lock: lockRecord(table),
    lockMany: lockRecords(table),
    moment: readMoment(table),
    insertMany: insertRecords(table),
    updateMany: updateRecords(table),
    clashes: listClashes(table),
    endClash: endClash(table),
    scan: scanRecords(table),
    count: countRecords(table),
    store: (options) => {
      const shape = `${options.over} ${options.capture}`;
      const statement = stores.get(shape) ?? storeRecord(table, options);
      stores.set(shape, statement);
      return statement;
    },
  };
}
