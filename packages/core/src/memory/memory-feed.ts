import type { Change, ChangeFeed, FeedPage, FeedRange, FeedReadOptions } from '../change-feed.ts';
import type { Clock } from '../clock.ts';
import type { Entity } from '../entity.ts';
import { InvalidDataError, InvalidOptionsError } from '../errors.ts';
import { type Issue, portabilityIssues } from '../json.ts';
import { checkKey, keyLabel } from '../key.ts';
import type { StoredRecord } from '../record.ts';
import type { CallOptions } from '../record-store.ts';
import { isWithin, MemoryRanges } from './memory-ranges.ts';
import type { MemorySequence } from './memory-sequence.ts';
import { copyRecord, type MemoryTable } from './memory-table.ts';
import { turn } from './memory-turn.ts';

const DEFAULT_LIMIT = 500;

// Opaque to callers; "z" before the number keeps anyone from comparing positions as text and being right by accident.
const positionAt = (range: FeedRange, sequence: number): string => `${range.id}:z${sequence.toString(36)}`;

/** The latest-version change feed of one entity in memory: each key appears once, where its last change was. */
export class MemoryFeed implements ChangeFeed {
  readonly #table: MemoryTable;
  readonly #sequence: MemorySequence;
  readonly #clock: Clock;
  readonly #ranges: MemoryRanges;

  constructor(options: {
    readonly table: MemoryTable;
    readonly sequence: MemorySequence;
    readonly clock: Clock;
    /** Number of ranges that partitions are spread over. */
    readonly ranges: number;
  }) {
    this.#table = options.table;
    this.#sequence = options.sequence;
    this.#clock = options.clock;
    this.#ranges = new MemoryRanges({ ranges: options.ranges });
  }

  async ranges(options?: CallOptions): Promise<readonly FeedRange[]> {
    await turn(options);
    return this.#ranges.list();
  }

  async read(
    range: FeedRange,
    position: string | undefined,
    options: FeedReadOptions = {},
  ): Promise<FeedPage> {
    await turn(options);
    const after = position === undefined ? 0 : this.#sequenceOf(position, range);
    const limit = options.limit ?? DEFAULT_LIMIT;
    const entries = [...this.#table.entries()]
      .filter((entry) => entry.sequence > after && this.#ranges.holds(range.id, entry.record.key.partition))
      .toSorted((a, b) => a.sequence - b.sequence);
    const page = entries.slice(0, limit);
    // A page that was cut ends at its last change, any other at the head: past markers, which nobody sees.
    const end = entries.length > limit ? (page.at(-1)?.sequence ?? after) : this.#sequence.last;
    return {
      changes: page.map((entry) => toChange(this.#table.entity, entry.record)),
      position: positionAt(range, end),
      idle: page.length === 0,
      serverNowMs: this.#clock.now(),
    };
  }

  async mark(range: FeedRange, options?: CallOptions): Promise<string> {
    await turn(options);
    return positionAt(range, this.#sequence.next());
  }

  passed(position: string | undefined, marker: string): boolean {
    if (position === undefined) return false;
    const [range] = marker.split(':');
    const at = { id: range ?? '' };
    return this.#sequenceOf(position, at) >= this.#sequenceOf(marker, at);
  }

  behind(position: string | undefined, marker: string): number {
    const [range] = marker.split(':');
    const at = { id: range ?? '' };
    const from = position === undefined ? 0 : this.#sequenceOf(position, at);
    const to = this.#sequenceOf(marker, at);
    return [...this.#table.entries()].filter(
      ({ sequence, record }) =>
        sequence > from && sequence < to && this.#ranges.holds(at.id, record.key.partition),
    ).length;
  }

  positionOf(range: FeedRange, known: ReadonlyMap<string, string>): string | undefined {
    const own = known.get(range.id);
    if (own !== undefined) return own;
    const parts = this.#ranges.partsOf(range.id);
    const sequences = parts.map((part) => this.#nearest(part, known));
    // One sequence runs through all ranges: whoever has read each part up to its own number has read all up to the lowest.
    const isWhole = parts.length > 0 && !sequences.includes(undefined);
    return isWhole ? positionAt(range, Math.min(...sequences.filter((it) => it !== undefined))) : undefined;
  }

  /** Puts two ranges in the place of one: the first, where none is named. */
  split(range?: string): void {
    this.#ranges.split(range);
  }

  // Where the smallest range is that a part lies in.
  #nearest(part: string, known: ReadonlyMap<string, string>): number | undefined {
    const [nearest] = [...known]
      .filter(([id]) => isWithin(part, id))
      .toSorted(([a], [b]) => b.length - a.length);
    return nearest && this.#sequenceOf(nearest[1], { id: nearest[0] });
  }

  #sequenceOf(position: string, range: FeedRange): number {
    const [id, text] = position.split(':z');
    const sequence = Number.parseInt(text ?? '', 36);
    if (id !== range.id || Number.isNaN(sequence))
      throw new InvalidOptionsError({
        message: 'The position belongs to another feed range',
        operation: 'feed',
        entity: this.#table.entity.name,
      });
    return sequence;
  }
}

function toChange(entity: Entity, record: StoredRecord): Change {
  const issues = record.value === undefined ? [] : changeIssues(entity, record);
  if (issues.length === 0) return { kind: 'record', record: copyRecord(record) };
  return { kind: 'unmappable', label: keyLabel(record.key), body: JSON.stringify(record.value), issues };
}

function changeIssues(entity: Entity, record: StoredRecord): readonly Issue[] {
  const issues = [...(entity.loose ? portabilityIssues(record.value) : entity.issues(record.value))];
  try {
    checkKey(record.key, entity.name);
  } catch (error) {
    if (!InvalidDataError.isInstance(error)) throw error;
    issues.push(...error.issues);
  }
  return issues;
}
