import {
  type CopyOutcome,
  canonicalJson,
  type Entity,
  type Journaled,
  judgeCopy,
  keyText,
  type RecordCopy,
  type RecordKey,
  type StoredRecord,
} from '@polyphase/core';
import { checkRow } from './table.ts';

const REASONS = {
  diverged:
    'One version has two bodies: the document was changed under its stamp. Compare the bodies and write the right one',
  straggler:
    'A write of an earlier term arrived after the authority had moved. Compare the bodies and write the right one',
} as const;

const body = ({ value }: StoredRecord): string | undefined =>
  value === undefined ? undefined : canonicalJson(value);

/** One page of copies on its way into a table: what was decided about each, and what is still to be stored. */
export class CopyPage {
  readonly #entity: Entity;
  readonly #copies: readonly RecordCopy[];
  readonly #outcomes: (CopyOutcome | undefined)[];
  /** Journal entries that the page adds. */
  readonly journal: Journaled[] = [];

  constructor(entity: Entity, copies: readonly RecordCopy[]) {
    this.#entity = entity;
    this.#copies = copies;
    this.#outcomes = copies.map(() => undefined);
    for (const [i, copy] of copies.entries()) this.#refuseUnmappable(i, copy);
  }

  /** Keys of copies that are not decided yet, each once. */
  get undecided(): readonly RecordKey[] {
    const keys = this.#copies
      .filter((_, i) => this.#outcomes[i] === undefined)
      .map(({ record }) => [keyText(record.key), record.key] as const);
    return [...new Map(keys).values()];
  }

  /** Keys, as texts, of the records that were applied. */
  get applied(): readonly string[] {
    return this.#copies.flatMap(({ record }, i) =>
      this.#outcomes[i]?.kind === 'applied' ? [keyText(record.key)] : [],
    );
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
      const text = keyText(copy.record.key);
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
    const records = [...changed];
    return {
      over: records.filter(([text]) => before.has(text)).map(([, record]) => record),
      fresh: records.filter(([text]) => !before.has(text)).map(([, record]) => record),
    };
  }

  /** Takes back what was decided about keys that somebody else stored meanwhile. */
  reopen(keys: ReadonlySet<string>): void {
    for (const [i, { record }] of this.#copies.entries())
      if (keys.has(keyText(record.key)) && this.#outcomes[i]?.kind !== 'changed')
        this.#outcomes[i] = undefined;
  }

  /** Sets a record aside that the table refused: its copies did not happen. */
  reject(record: StoredRecord, reason: string): void {
    const text = keyText(record.key);
    for (const [i, copy] of this.#copies.entries())
      if (keyText(copy.record.key) === text && this.#outcomes[i]?.kind === 'applied')
        this.#outcomes[i] = { kind: 'changed', there: undefined };
    this.#deadLetter(record, reason);
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
