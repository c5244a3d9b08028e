import {
  type CopyOutcome,
  canonicalJson,
  compareVersions,
  type Entity,
  type Journaled,
  judgeCopy,
  keyText,
  type RecordCopy,
  type StoredRecord,
  UNSTAMPED,
} from '@polyphase/core';
import type { Cell } from './driver.ts';
import type { LockInput } from './sql/lock-records.ts';
import { textCell } from './statement.ts';
import { checkRow, type Table, toRow } from './table.ts';

const REASONS = {
  diverged:
    'One version has two bodies: the document was changed under its stamp. Compare the bodies and write the right one',
  straggler:
    'A write of an earlier term arrived after the authority had moved. Compare the bodies and write the right one',
} as const;

type Row = readonly Cell[];

// The first two cells are partition text and id.
function compareKeys(a: Row, b: Row): number {
  return compareTexts(textCell(a[0]), textCell(b[0])) || compareTexts(textCell(a[1]), textCell(b[1]));
}

function compareTexts(a: string, b: string): number {
  if (a === b) return 0;
  return a < b ? -1 : 1;
}

const body = ({ value }: StoredRecord): string | undefined =>
  value === undefined ? undefined : canonicalJson(value);

/** One page of copies on its way into a table: what was decided about each, and what is still to be stored. */
export class CopyPage {
  readonly #table: Table;
  readonly #entity: Entity;
  readonly #copies: readonly RecordCopy[];
  /** Key texts of the copies. */
  readonly #texts: readonly string[];
  readonly #outcomes: (CopyOutcome | undefined)[];
  readonly #rows = new Map<StoredRecord, Row>();
  /** Journal entries that the page adds. */
  readonly journal: Journaled[] = [];

  constructor(table: Table, copies: readonly RecordCopy[]) {
    this.#table = table;
    this.#entity = table.entity;
    this.#copies = copies;
    this.#texts = copies.map(({ record }) => keyText(record.key));
    this.#outcomes = copies.map(() => undefined);
    for (const [i, copy] of copies.entries()) this.#refuseUnmappable(i, copy);
  }

  /** Keys of copies that are not decided yet, each once, with the lowest version that replaces what is there. */
  get locks(): readonly LockInput[] {
    const locks = new Map<string, LockInput>();
    for (const [i, copy] of this.#copies.entries()) {
      if (this.#outcomes[i] !== undefined) continue;
      const text = this.#text(i);
      const before = locks.get(text)?.replacedBy;
      // A copy with conditions of its own may have to be compared with the whole of what is there.
      const { key, version } = copy.record;
      const own = copy.base || copy.ifEtag !== undefined ? UNSTAMPED : version;
      locks.set(text, { key, replacedBy: before && compareVersions(before, own) < 0 ? before : own });
    }
    return [...locks.values()];
  }

  /** Makes the rows that will most likely be stored, at a moment when there is nothing else to do. */
  makeRows(): void {
    for (const [i, { record }] of this.#copies.entries())
      if (this.#outcomes[i] === undefined) this.#row(record);
  }

  /** The rows of records in the order of their keys, as locks are. */
  rowsOf(records: readonly StoredRecord[]): readonly Row[] {
    return records.map((record) => this.#row(record)).toSorted(compareKeys);
  }

  /** Keys, as texts, of the records that were applied. */
  get applied(): readonly string[] {
    return this.#texts.filter((_, i) => this.#outcomes[i]?.kind === 'applied');
  }

  /** The outcomes, in the order of the copies. */
  get outcomes(): readonly CopyOutcome[] {
    return this.#outcomes.map((outcome) => outcome ?? { kind: 'changed', there: undefined });
  }

  /**
   * Decides every copy that is not decided yet, in order, so that a second copy of one key meets the first.
   *
   * @param locked the rows of the undecided keys that are there, locked
   * @returns the records to store: `over` a row that is there, and `fresh` ones
   */
  decide(locked: readonly StoredRecord[]): {
    readonly over: readonly StoredRecord[];
    readonly fresh: readonly StoredRecord[];
  } {
    const there = new Map(locked.map((record) => [keyText(record.key), record]));
    const before = new Set(there.keys());
    const changed = new Map<string, StoredRecord>();
    for (const [i, copy] of this.#copies.entries()) {
      if (this.#outcomes[i] !== undefined) continue;
      const text = this.#text(i);
      const current = there.get(text);
      const verdict = judgeCopy(copy, current);
      if (verdict === 'newer') {
        there.set(text, copy.record);
        changed.set(text, copy.record);
        this.#outcomes[i] = { kind: 'applied', record: { ...copy.record, etag: undefined } };
        continue;
      }
      if (current && (verdict === 'diverged' || verdict === 'straggler'))
        this.journal.push(this.#conflict(copy.record, current, verdict));
      this.#outcomes[i] = { kind: verdict, there: current };
    }
    const over: StoredRecord[] = [];
    const fresh: StoredRecord[] = [];
    for (const [text, record] of changed) (before.has(text) ? over : fresh).push(record);
    return { over, fresh };
  }

  /** Takes back what was decided about keys that somebody else stored meanwhile. */
  reopen(keys: ReadonlySet<string>): void {
    for (const [i, text] of this.#texts.entries())
      if (keys.has(text) && this.#outcomes[i]?.kind !== 'changed') this.#outcomes[i] = undefined;
  }

  /** Sets a record aside that the table refused: its copies did not happen. */
  reject(record: StoredRecord, reason: string): void {
    const text = keyText(record.key);
    for (const [i, other] of this.#texts.entries())
      if (other === text && this.#outcomes[i]?.kind === 'applied')
        this.#outcomes[i] = { kind: 'changed', there: undefined };
    this.#deadLetter(record, reason);
  }

  #text(i: number): string {
    return this.#texts[i] ?? '';
  }

  #row(record: StoredRecord): Row {
    const row = this.#rows.get(record) ?? toRow(this.#table, record);
    this.#rows.set(record, row);
    return row;
  }

  #refuseUnmappable(i: number, { record }: RecordCopy): void {
    try {
      checkRow(this.#entity, record);
    } catch (error) {
      this.#outcomes[i] = { kind: 'changed', there: undefined };
      this.#deadLetter(record, error instanceof Error ? error.message : 'The record cannot be a row');
    }
  }

  #deadLetter(record: StoredRecord, reason: string): void {
    this.journal.push({
      kind: 'dead-letter',
      entity: this.#entity.name,
      key: keyText(record.key),
      reason,
      issues: [],
      bodies: { theirs: body(record), ours: undefined },
    });
  }

  #conflict(copy: StoredRecord, there: StoredRecord, verdict: keyof typeof REASONS): Journaled {
    return {
      kind: 'conflict',
      entity: this.#entity.name,
      key: keyText(copy.key),
      reason: REASONS[verdict],
      issues: [],
      bodies: { theirs: body(copy), ours: body(there) },
    };
  }
}
