import {
  authorityOf,
  type Change,
  type ControlRow,
  compareCopies,
  compareVersions,
  type Entity,
  type FeedPage,
  firstCounter,
  InvalidDataError,
  type Issue,
  isJsonObject,
  type Journaled,
  type JsonObject,
  keyOfValue,
  keyText,
  type RecordCopy,
  type RecordStore,
  type StoredRecord,
  sameExpiry,
} from '@polyphase/core';
import type { RecordStores } from '../phases/group.ts';

/** The two sides between which an entity is copied. */
export interface CopySides {
  readonly entity: Entity;
  readonly stores: RecordStores;
  /** The term of the authority, as far as this process knows. */
  readonly term: number;
  /** The records of a store. */
  records(store: 'cosmos' | 'postgres'): RecordStore;
}

/** A page, and the control row as it was before the page was read: what is stamped belongs to the term in which it was found. */
export interface FoundPage {
  readonly page: FeedPage;
  readonly row: ControlRow | undefined;
}

/** What is to be done with a page. */
export interface JudgedPage {
  /** What goes to PostgreSQL as it is. */
  readonly copies: readonly RecordCopy[];
  /** What gets a stamp in Cosmos DB first, and goes to PostgreSQL under it. */
  readonly stamps: readonly RecordCopy[];
  /** Documents in Cosmos DB whose lifetime is put right. */
  readonly corrections: readonly RecordCopy[];
  /** What is set aside. */
  readonly journal: readonly Journaled[];
}

type RecordChange = Extract<Change, { kind: 'record' }>;

/** When documents without a valid stamp were found. */
interface Found {
  readonly term: number;
  readonly serverNowMs: number;
}

const WRITTEN_AROUND =
  'The document was written around the SDK after PostgreSQL became the authority; decide which body holds';
const ROW_AHEAD =
  'The row in PostgreSQL is of a later term than the authority; find out where it came from, and remove it';
const UNFIT = 'The document cannot be stored as a record; mend it in Cosmos DB, or declare the entity loose';
const TERM_AHEAD: Issue = {
  path: ['_h', 't'],
  message:
    'the stamp is of a term that has not begun; take the field "_h" out, and the document is stamped anew',
};

/** Decides what is to be done with a page of the feed. Reads rows in PostgreSQL, and writes nothing anywhere. */
export async function judgePage(
  sides: CopySides,
  { page, row }: FoundPage,
  signal: AbortSignal,
): Promise<JudgedPage> {
  const records = page.changes
    .filter((change): change is RecordChange => change.kind === 'record')
    .map((change) => change.record);
  const judged =
    row && authorityOf(row.phase) === 'postgres'
      ? await judgeStragglers(sides, records, { term: row.term, signal })
      : await judgeHistory(sides, records, {
          found: { term: row?.term ?? 1, serverNowMs: page.serverNowMs },
          lastTerm: row ? Math.max(row.term, sides.term) : Number.POSITIVE_INFINITY,
          signal,
        });
  const letters = page.changes.flatMap((change) => deadLetter(sides.entity, change));
  return { ...judged, journal: [...judged.journal, ...letters] };
}

// Cosmos DB is the authority. A document without a stamp, or one that is not above the row and yet differs from it (an old stamp
// put back, a body changed under it, a lifetime begun anew), gets a new stamp before anything else. If its ETag has moved on, it
// was only old: what moved it comes later in the feed.
async function judgeHistory(
  sides: CopySides,
  records: readonly StoredRecord[],
  {
    found,
    lastTerm,
    signal,
  }: { readonly found: Found; readonly lastTerm: number; readonly signal: AbortSignal },
): Promise<JudgedPage> {
  const rows = await rowsOf(sides, records, signal);
  const copies: RecordCopy[] = [];
  const stamps: RecordCopy[] = [];
  const journal: Journaled[] = [];
  for (const [i, record] of records.entries()) {
    const row = rows[i];
    const verdict = compareCopies(record, row);
    const isFit = verdict === 'newer' || (verdict === 'same' && expireTogether(record, row));
    // Nobody of ours wrote it: as a row it would stand above every later write.
    if (record.version.term > lastTerm) journal.push(asDeadLetter(sides.entity, record, TERM_AHEAD));
    else if (record.version.term !== 0 && isFit) copies.push({ record });
    // A row of a later term (a table put back from elsewhere) stands above every stamp of this one: stamping would never end.
    else if (row && row.version.term > found.term) {
      // Unless the authority moved while the page was on its way: then the row is no stray, and the rules of that side hold.
      const isStray = row.version.term > sides.term;
      if (!isStray && record.version.term !== 0) copies.push({ record });
      else if (record.digest !== row.digest)
        journal.push(
          conflict(sides.entity, { theirs: record, ours: row }, isStray ? ROW_AHEAD : WRITTEN_AROUND),
        );
    } else stamps.push({ record: stamped(record, row, found), ifEtag: record.etag });
  }
  return { copies, stamps, corrections: [], journal };
}

// PostgreSQL is the authority: nothing is stamped any more. What carries a stamp of an earlier term goes through the conditional apply,
// which keeps stragglers. What carries none, or one of this term that no row has reached, or an old one over another body, was written
// around the SDK: only rows are copied under this term. Both bodies are kept for a person to decide.
async function judgeStragglers(
  sides: CopySides,
  records: readonly StoredRecord[],
  { term, signal }: { readonly term: number; readonly signal: AbortSignal },
): Promise<JudgedPage> {
  const doubtful = records.filter(
    ({ version, foreign }) => version.term === 0 || version.term >= term || foreign,
  );
  const rows = await rowsOf(sides, doubtful, signal);
  const around = new Set<StoredRecord>();
  const journal = doubtful.flatMap((theirs, i) => {
    const row = rows[i];
    const verdict = compareCopies(theirs, row);
    // One version with two bodies is found by the apply.
    const isChanged = theirs.foreign && verdict !== 'same' && verdict !== 'diverged';
    if (theirs.version.term !== 0 && !isChanged && !isAhead(theirs, row)) return [];
    around.add(theirs);
    return theirs.digest === row?.digest
      ? []
      : [conflict(sides.entity, { theirs, ours: row }, WRITTEN_AROUND)];
  });
  const ours = records.filter((record) => !around.has(record));
  const corrections = await judgeLifetimes(sides, ours, signal);
  return { copies: ours.map((record) => ({ record })), stamps: [], corrections, journal };
}

// A tombstone may be there longer than its row.
function isAhead(record: StoredRecord, row: StoredRecord | undefined): boolean {
  if (!row) return record.value !== undefined;
  return compareVersions(record.version, row.version) > 0;
}

// What was long on its way to Cosmos DB, or was touched there under its stamp, would outlive its row, or end before it.
async function judgeLifetimes(
  sides: CopySides,
  records: readonly StoredRecord[],
  signal: AbortSignal,
): Promise<readonly RecordCopy[]> {
  if (sides.entity.ttl === undefined) return [];
  const rows = await rowsOf(sides, records, signal);
  return records.flatMap((record, i): readonly RecordCopy[] => {
    const row = rows[i];
    const isOff = compareCopies(record, row) === 'same' && !expireTogether(record, row);
    return row && isOff ? [{ record: row }] : [];
  });
}

async function rowsOf(
  sides: CopySides,
  records: readonly StoredRecord[],
  signal: AbortSignal,
): Promise<readonly (StoredRecord | undefined)[]> {
  if (records.length === 0) return [];
  return sides.records('postgres').readMany(
    records.map((record) => record.key),
    { signal },
  );
}

function conflict(
  entity: Entity,
  { theirs, ours }: { readonly theirs: StoredRecord; readonly ours: StoredRecord | undefined },
  reason: string,
): Journaled {
  const text = (value: JsonObject | undefined) => (value === undefined ? undefined : JSON.stringify(value));
  return {
    kind: 'conflict',
    entity: entity.name,
    key: keyText(theirs.key),
    reason,
    issues: [],
    bodies: { theirs: text(theirs.value), ours: text(ours?.value) },
  };
}

function deadLetter(entity: Entity, change: Change): Journaled[] {
  if (change.kind === 'record') return [];
  const { issues, body } = change;
  return [
    {
      kind: 'dead-letter',
      entity: entity.name,
      key: nameOf(entity, change),
      reason: UNFIT,
      issues,
      bodies: { theirs: body, ours: undefined },
    },
  ];
}

/** What is set aside because a record cannot be copied for what is in it. */
export function asDeadLetter(entity: Entity, record: StoredRecord, issue: Issue): Journaled {
  return {
    kind: 'dead-letter',
    entity: entity.name,
    key: keyText(record.key),
    reason: UNFIT,
    issues: [issue],
    bodies: { theirs: record.value && JSON.stringify(record.value), ours: undefined },
  };
}

// A label may be that of several documents. Where there is a key, a later version of the document is known by it.
function nameOf(entity: Entity, { label, body }: Extract<Change, { kind: 'unmappable' }>): string {
  try {
    const document: unknown = JSON.parse(body);
    return isJsonObject(document) ? keyText(keyOfValue(entity, document)) : label;
  } catch (error) {
    if (InvalidDataError.isInstance(error) || error instanceof SyntaxError) return label;
    throw error;
  }
}

function expireTogether(record: StoredRecord, row: StoredRecord | undefined): boolean {
  return !row || record.value === undefined || sameExpiry(record, row);
}

function stamped(record: StoredRecord, row: StoredRecord | undefined, found: Found): StoredRecord {
  const counter = Math.max(
    firstCounter(found.serverNowMs),
    (row?.version.counter ?? 0) + 1,
    record.version.counter + 1,
  );
  return { ...record, version: { term: found.term, counter } };
}
