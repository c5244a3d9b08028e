import {
  compareVersions,
  decideWrite,
  defineEntity,
  FencedError,
  firstCounter,
  judgeCopy,
  type RecordBase,
  type RecordKey,
  recordDigest,
  type StoredRecord,
  UNSTAMPED,
  type WriteIntent,
} from '@polyphase/core';
import { z } from 'zod';
import type { Operation } from './world.ts';

// The operation that stands for whatever a foreign writer writes.
const FOREIGN = 8;

/** What a copy is judged to be: see `judgeCopy` of core. */
export type Verdict = ReturnType<typeof judgeCopy>;

/** What a write comes to: the number of the document that it makes; or that there is nothing to do; or a later term is there. */
export type Decided =
  | { readonly kind: 'store'; readonly document: number }
  | { readonly kind: 'done' }
  | { readonly kind: 'fenced' };

/** What the copy that the reverse relay makes descends from: nothing is asked; what its row says; or a document that was seen. */
export type Base = 'unasked' | 'own' | number;

const Note = defineEntity({
  name: 'notes',
  schema: z.object({ id: z.string(), owner: z.string(), text: z.string() }),
  key: { partition: ['owner'], id: 'id' },
});

// A row that was made while PostgreSQL was the authority descends from no document.
const FROM_NOTHING: RecordBase = { ...UNSTAMPED, digest: '' };

/** Where a write is decided. */
export interface Where {
  readonly term: number;
  /** The store's date. */
  readonly now: number;
  /** Rows keep what they descend from; documents do not. */
  readonly isRow: boolean;
  /** What came before, where nothing is there any more. */
  readonly lineage: number;
}

interface Entry {
  readonly record: StoredRecord;
  /** Operations that it descends from, as bits. What the stores do not know, and the invariants ask for. */
  readonly lineage: number;
}

/**
 * Every document of a search, by number; 0 is none. What becomes of documents is decided by the product's own functions, each
 * question asked once and its answer kept.
 */
export class Documents {
  readonly #entries: Entry[] = [];
  readonly #numbers = new Map<string, number>();
  readonly #decisions = new Map<number, Decided>();
  readonly #verdicts = new Map<number, Verdict>();
  readonly #forgetsOperations: boolean;
  readonly #startsAtOne: boolean;
  readonly #ignoresTerms: boolean;

  constructor(bug: string | undefined) {
    this.#forgetsOperations = bug === 'retry without operation id';
    this.#startsAtOne = bug === 'counter restarts at 1';
    this.#ignoresTerms = bug === 'compare without term';
  }

  /** Number of documents so far. */
  get size(): number {
    return this.#entries.length;
  }

  /** The document with which a world begins: stamped at a date, or without a stamp. */
  seed(key: number, date: number | undefined): number {
    const value = valueOf(key, 0);
    const version = date === undefined ? UNSTAMPED : { term: 1, counter: firstCounter(date) };
    const operations = date !== undefined ? [{ id: '0', ...version }] : [];
    const record = { key: keyOf(key), version, value, digest: recordDigest(value), operations };
    return this.#number({ record, lineage: 1 << key });
  }

  /** What a foreign writer makes of a document, keeping our stamp or not. */
  foreign(document: number, keepsStamp: boolean): number {
    const { record, lineage } = this.#entry(document);
    const value = { ...record.value, text: 'foreign' };
    const body = { ...record, value, digest: recordDigest(value) };
    return this.#number({
      record: keepsStamp ? body : { ...body, version: UNSTAMPED, operations: [] },
      lineage: lineage | (1 << FOREIGN),
    });
  }

  /** A document with the stamp that the relay gives it: above the row, and above what it had. */
  stamped(document: number, row: number, found: { readonly term: number; readonly now: number }): number {
    const { record, lineage } = this.#entry(document);
    const above = row === 0 ? 0 : this.#entry(row).record.version.counter + 1;
    const counter = Math.max(firstCounter(found.now), above, record.version.counter + 1);
    return this.#number({ record: { ...record, version: { term: found.term, counter } }, lineage });
  }

  /** What a write makes of the document that is there. */
  decide(there: number, operation: Operation, where: Where): Decided {
    const about = there === 0 ? -1 - where.lineage : there;
    const question =
      (((about * 16 + operation.id) * 16 + where.term) * 256 + where.now) * 2 + (where.isRow ? 1 : 0);
    const known = this.#decisions.get(question);
    if (known) return known;
    const decided = this.#decide(there, operation, where);
    this.#decisions.set(question, decided);
    return decided;
  }

  #decide(there: number, operation: Operation, where: Where): Decided {
    const entry = there === 0 ? undefined : this.#entry(there);
    const current = entry && this.#forgetsOperations ? { ...entry.record, operations: [] } : entry?.record;
    const context = {
      entity: Note,
      term: where.term,
      serverNowMs: this.#startsAtOne ? 0 : where.now,
    };
    try {
      const decision = decideWrite(current, intentOf(operation), context);
      if (decision.kind === 'done') return { kind: 'done' };
      const record = where.isRow ? decision.record : { ...decision.record, base: undefined };
      const lineage = (entry?.lineage ?? where.lineage) | (1 << operation.id);
      return { kind: 'store', document: this.#number({ record, lineage }) };
    } catch (error) {
      if (FencedError.isInstance(error)) return { kind: 'fenced' };
      throw error;
    }
  }

  /** What a copy is beside the document that is there. */
  judge(copy: number, there: number, base: Base = 'unasked'): Verdict {
    const code = base === 'unasked' ? 0 : base === 'own' ? 1 : base + 2;
    const question = (copy * 65_536 + there) * 65_536 + code;
    const known = this.#verdicts.get(question);
    if (known) return known;
    const verdict = this.#judge(copy, there, base);
    this.#verdicts.set(question, verdict);
    return verdict;
  }

  #judge(copy: number, there: number, base: Base): Verdict {
    const { record } = this.#entry(copy);
    const other = there === 0 ? undefined : this.#entry(there).record;
    if (this.#ignoresTerms && other) {
      if (record.version.counter === other.version.counter && record.digest === other.digest) return 'same';
      return record.version.counter > other.version.counter ? 'newer' : 'older';
    }
    if (base === 'unasked') return judgeCopy({ record }, other);
    if (base === 'own') return judgeCopy({ record, base: record.base ?? FROM_NOTHING }, other);
    const seen = base === 0 ? undefined : this.#entry(base).record;
    return judgeCopy({ record, base: seen && { ...seen.version, digest: seen.digest } }, other);
  }

  /** Operations that a document descends from. */
  lineageOf(document: number): number {
    return document === 0 ? 0 : this.#entry(document).lineage;
  }

  /** Whether a reader would see it. */
  isLive(document: number): boolean {
    return document !== 0 && this.#entry(document).record.value !== undefined;
  }

  /** The term in a document's stamp; 0 when it has none. */
  termOf(document: number): number {
    return document === 0 ? 0 : this.#entry(document).record.version.term;
  }

  /** Whether two documents have the same body. */
  hasSameBody(one: number, other: number): boolean {
    return one !== 0 && other !== 0 && this.#entry(one).record.digest === this.#entry(other).record.digest;
  }

  /** Whether readers see the same in both: one version and one body, or no record. */
  looksSame(one: number, other: number): boolean {
    if (!this.isLive(one) && !this.isLive(other)) return true;
    return this.isSame(one, other);
  }

  /** Whether both are there, with one version and one body. */
  isSame(one: number, other: number): boolean {
    return this.hasSameBody(one, other) && this.order(one, other) === 0;
  }

  /** Negative when the first has the older version. Nothing is older than everything. */
  order(one: number, other: number): number {
    const versionOf = (document: number) =>
      document === 0 ? { term: -1, counter: 0 } : this.#entry(document).record.version;
    return compareVersions(versionOf(one), versionOf(other));
  }

  /** A document as a trace shows it. */
  describe(document: number): string {
    if (document === 0) return 'nothing';
    const { record, lineage } = this.#entry(document);
    const text = record.value?.['text'];
    const body = typeof text === 'string' ? text : 'tombstone';
    return `(${record.version.term},${record.version.counter}) ${body} of ${bits(lineage)}`;
  }

  #entry(document: number): Entry {
    const entry = this.#entries[document - 1];
    if (!entry) throw new RangeError(`There is no document ${document}`);
    return entry;
  }

  #number(entry: Entry): number {
    const { key, version, digest, operations, base } = entry.record;
    const text = JSON.stringify([key.id, version, digest, operations, base, entry.lineage]);
    const known = this.#numbers.get(text);
    if (known !== undefined) return known;
    this.#entries.push(entry);
    this.#numbers.set(text, this.#entries.length);
    return this.#entries.length;
  }
}

/** Operations as they are written in traces: `{1,3}`. */
export function bits(set: number): string {
  const names: string[] = [];
  for (let bit = 0; 1 << bit <= set; bit += 1)
    if (set & (1 << bit)) names.push(bit === FOREIGN ? 'foreign' : `op${bit}`);
  return `{${names.join(',')}}`;
}

function keyOf(key: number): RecordKey {
  return { partition: ['a'], id: `key${key}` };
}

function valueOf(key: number, operation: number): { id: string; owner: string; text: string } {
  return { id: `key${key}`, owner: 'a', text: `op${operation}` };
}

function intentOf({ id, key, deletes }: Operation): WriteIntent {
  const common = { key: keyOf(key), operationId: String(id) };
  return deletes ? { kind: 'delete', ...common } : { kind: 'upsert', ...common, value: valueOf(key, id) };
}
