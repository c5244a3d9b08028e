import type { RecordHost } from '../store.ts';
import { type ContractCase, suite } from './contract.ts';
import { foreignDocumentCases } from './foreign-document-cases.ts';
import { recordConcurrencyCases } from './record-concurrency-cases.ts';
import { recordCopyCases } from './record-copy-cases.ts';
import { recordExpiryCases } from './record-expiry-cases.ts';
import { recordHostileCases } from './record-hostile-cases.ts';
import { recordMemoryCases } from './record-memory-cases.ts';
import { recordScanCases } from './record-scan-cases.ts';
import { recordWriteCases } from './record-write-cases.ts';

/** The contract of `RecordStore`, queries apart. */
export const recordCases: readonly ContractCase<Pick<RecordHost, 'records'>>[] = [
  ...suite('write', recordWriteCases),
  ...suite('memory of a record', recordMemoryCases),
  ...suite('hostile', recordHostileCases),
  ...suite('concurrent', recordConcurrencyCases),
  ...suite('apply', recordCopyCases),
  ...suite('scan', recordScanCases),
  ...suite('expiry', recordExpiryCases),
  ...suite('foreign', foreignDocumentCases),
];
