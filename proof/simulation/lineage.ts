import type { JsonObject, RecordVersion, StoredRecord } from '@polyphase/core';
import { type Operation, order, type Violation } from './history.ts';
import { textOf } from './note.ts';

/** A value that somebody saw. */
export interface Sight {
  readonly what: string;
  readonly at: number;
  readonly version: RecordVersion;
  readonly value: JsonObject;
}

/** A write whose place in the order is known. */
export interface Placed {
  readonly operation: Operation;
  readonly version: RecordVersion;
}

/** Who wrote before the run began: their documents carry no stamp at first, and may be given one. */
export const BEFORE = 'before';

/** The version in words. */
export function told({ term, counter }: RecordVersion): string {
  return `(${term},${counter})`;
}

/**
 * The writes of one key in the order that their versions give. Versions come from answers, from what was read, and from what the
 * authority remembers, so that writes whose answer was lost have a place as well.
 */
export class Lineage {
  readonly violations: Violation[] = [];
  readonly #writes = new Map<string, Operation>();
  readonly #versions = new Map<string, RecordVersion>();
  #placed: readonly Placed[] | undefined;

  constructor(operations: readonly Operation[], sights: readonly Sight[], last: StoredRecord | undefined) {
    for (const operation of operations)
      if (operation.kind !== 'get') this.#writes.set(operation.id, operation);
    for (const { id, version, kind } of operations) if (version && kind !== 'get') this.#learn(id, version);
    for (const { value, version } of sights) this.#learn(textOf(value), version);
    for (const { id, term, counter } of last?.operations ?? []) this.#learn(id, { term, counter });
  }

  /** Where the writes stand whose place is known, the oldest first. */
  get placed(): readonly Placed[] {
    this.#placed ??= [...this.#versions]
      .flatMap(([id, version]) => {
        const operation = this.#writes.get(id);
        return operation ? [{ operation, version }] : [];
      })
      .toSorted((a, b) => order(a.version, b.version));
    return this.#placed;
  }

  /** The version that a write made, where that is known. */
  versionOf(id: string): RecordVersion | undefined {
    return this.#versions.get(id);
  }

  /** One chain, in which each write descends from the one before it. */
  checkChain(): void {
    for (const [i, { operation, version }] of this.placed.entries()) {
      const before = this.placed[i - 1];
      if (!before) continue;
      const where = `${operation.key} ${told(version)}`;
      if (order(before.version, version) === 0)
        this.#broken('D1', `${where} is a fork: made by ${before.operation.id} and by ${operation.id}`);
      // A write counts on from the one it descends from, over moves of the authority too.
      else if (before.version.counter >= version.counter)
        this.#broken(
          'D1',
          `${where} of ${operation.id} does not descend from ${told(before.version)} of ${before.operation.id}`,
        );
      const { ifVersion } = operation;
      if (ifVersion && ifVersion.term > 0 && order(ifVersion, before.version) < 0)
        this.#broken(
          'D1',
          `${where} of ${operation.id} was to follow ${told(ifVersion)} and overwrote ${before.operation.id} at ${told(before.version)}`,
        );
    }
  }

  /** What was seen was written, once, and holds everything that came before it. */
  checkSight(sight: Sight): void {
    const text = textOf(sight.value);
    const writer = this.#writes.get(text);
    const where = `${sight.what} found ${text} at ${told(sight.version)}`;
    if (!writer || writer.invokedAt > sight.at) return this.#broken('D4', `${where}, which nobody wrote`);
    if (writer.outcome === 'refused') return this.#broken('D3', `${where}, which was refused`);
    const version = this.versionOf(text);
    // Documents of before are given a stamp, and change their version without a write.
    if (writer.session === BEFORE) return;
    if (version && order(version, sight.version) !== 0)
      return this.#broken('D3', `${where}; it took effect at ${told(version)} as well`);
    this.#checkMarks(sight, where);
  }

  #checkMarks({ value, version }: Sight, where: string): void {
    const marks = new Set(Object.keys((value['marks'] as JsonObject | undefined) ?? {}));
    // A full write whose end nobody was told came late: what it replaced, nobody can say.
    const isLate = [...marks].some((mark) => this.#mayStandAnywhere(mark, value['rank']));
    const until = isLate ? [] : this.placed.filter((it) => order(it.version, version) <= 0);
    const base = until.findLast(({ operation }) => operation.kind !== 'patch');
    if (base?.operation.kind === 'delete')
      return this.#broken(
        'D2',
        `${where}, descending from ${[...marks].join(' ')}, after ${base.operation.id} had deleted it`,
      );
    if (base && base.operation.session !== BEFORE && !marks.has(base.operation.id))
      this.#broken(
        'D1',
        `${where}, which does not descend from ${base.operation.id} at ${told(base.version)}`,
      );
    if (base && base.operation.rank !== value['rank'])
      this.#broken(
        'D4',
        `${where}, of rank ${JSON.stringify(value['rank'])}, which ${base.operation.id} did not write`,
      );
    for (const { operation, version: at } of until)
      if (operation.kind === 'patch' && order(at, base?.version ?? at) >= 0 && !marks.has(operation.id))
        this.#broken('D1', `${where} without the patch ${operation.id} of ${told(at)}`);
    for (const mark of marks) {
      const operation = this.#writes.get(mark);
      const at = this.versionOf(mark);
      if (at && base && order(at, base.version) < 0)
        this.#broken('D4', `${where} with the mark ${mark}, which ${base.operation.id} had replaced`);
      if (!operation) this.#broken('D4', `${where} with the mark ${mark}, which nobody made`);
      else if (operation.outcome === 'refused')
        this.#broken('D3', `${where} with the mark of ${mark}, which was refused`);
    }
  }

  #mayStandAnywhere(id: string, rank: unknown): boolean {
    const write = this.#writes.get(id);
    if (write?.outcome !== 'unknown' || write.kind === 'patch' || write.rank !== rank) return false;
    return !this.versionOf(id);
  }

  #learn(id: string, version: RecordVersion): void {
    if (version.term === 0) return;
    const there = this.#versions.get(id);
    if (!there) this.#versions.set(id, version);
    else if (order(there, version) !== 0 && this.#writes.get(id)?.session !== BEFORE)
      this.#broken('D3', `${id} took effect at ${told(there)} and at ${told(version)}`);
  }

  #broken(breaks: Violation['breaks'], why: string): void {
    this.violations.push({ breaks, why });
  }
}
