import type { RecordVersion } from '@polyphase/core';
import { type History, type Operation, order, type Violation } from './history.ts';
import { type Lineage, told } from './lineage.ts';

/** Something that was over, and the version that it had seen or made. */
interface Ended {
  readonly at: number;
  readonly version: RecordVersion;
  readonly by: Operation;
}

/** The highest versions that were known by a time, in the order of time. */
class Floor {
  readonly #ended: readonly Ended[];

  constructor(ended: readonly Ended[]) {
    let highest: Ended | undefined;
    this.#ended = ended
      .toSorted((a, b) => a.at - b.at)
      .map((one) => {
        if (!highest || order(one.version, highest.version) > 0) highest = one;
        return { ...highest, at: one.at };
      });
  }

  /** The highest version of what had ended before a time. */
  before(time: number): Ended | undefined {
    let low = 0;
    let high = this.#ended.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((this.#ended[middle]?.at ?? 0) < time) low = middle + 1;
      else high = middle;
    }
    return this.#ended[low - 1];
  }
}

/**
 * Operations of one key in real time: a write comes after everything that had ended before it began; a read sees at least that much,
 * or, where only sessions are promised anything, what its own session had seen.
 */
export function checkRealTime(
  operations: readonly Operation[],
  lineage: Lineage,
  { realTime, staleMs, isCached = false }: Pick<History, 'realTime' | 'staleMs' | 'isCached'>,
): readonly Violation[] {
  const violations: Violation[] = [];
  const ended = (of: (operation: Operation) => boolean): Floor =>
    new Floor(
      operations.filter(of).flatMap((by) => {
        const version = by.kind === 'get' ? by.version : lineage.versionOf(by.id);
        return by.outcome === 'done' && version && version.term > 0 ? [{ at: by.endedAt, version, by }] : [];
      }),
    );
  const all = ended(() => true);
  // An entry of a cache may be older than what was read beside it, and never older than a write that was acknowledged.
  const readable = isCached ? ended((it) => it.kind !== 'get') : all;
  const own = new Map<string, { readonly seen: Floor; readonly written: Floor }>();
  for (const { session } of operations)
    if (!own.has(session))
      own.set(session, {
        seen: ended((it) => it.session === session),
        written: ended((it) => it.session === session && it.kind !== 'get'),
      });
  for (const operation of operations) {
    if (operation.outcome !== 'done') continue;
    if (operation.kind !== 'get') violations.push(...checkWrite(operation, lineage, all));
    else {
      const { session, invokedAt, mayLag = false } = operation;
      // A read that may be behind may also be behind another, but never behind what its session wrote.
      const least = own.get(session)?.[mayLag || isCached ? 'written' : 'seen'].before(invokedAt);
      violations.push(...checkRead(operation, { floor: least, breaks: 'D8', lineage, operations }));
      const floor = realTime ? readable.before(invokedAt - (mayLag ? staleMs : 0)) : undefined;
      violations.push(...checkRead(operation, { floor, breaks: 'D1', lineage, operations }));
    }
  }
  return violations;
}

function checkWrite(write: Operation, lineage: Lineage, all: Floor): readonly Violation[] {
  const version = lineage.versionOf(write.id);
  const floor = all.before(write.invokedAt);
  if (!version || !floor || floor.by.id === write.id || order(version, floor.version) > 0) return [];
  const why = `${write.id} made ${told(version)} of ${write.key} after ${floor.by.id} had ended with ${told(floor.version)}`;
  return [{ breaks: 'D1', why }];
}

/** What a read must have seen, and which promise it breaks if it has not. */
export interface ReadFloor {
  readonly floor: { readonly version: RecordVersion; readonly by: Operation } | undefined;
  readonly breaks: 'D1' | 'D8';
  readonly lineage: Lineage;
  readonly operations: readonly Operation[];
}

/** Whether a read saw at least its floor; where it found nothing, whether a delete explains it. */
export function checkRead(
  read: Operation,
  { floor, breaks, lineage, operations }: ReadFloor,
): readonly Violation[] {
  if (!floor) return [];
  const after = `${floor.by.id} had ended with ${told(floor.version)}`;
  if (read.version) {
    // What carries no stamp has no place in the order.
    if (read.version.term === 0 || order(read.version, floor.version) >= 0) return [];
    const isDeleted = floor.by.kind === 'delete';
    return [
      {
        breaks: isDeleted ? 'D2' : breaks,
        why: `${read.id} found ${told(read.version)} of ${read.key} after ${after}`,
      },
    ];
  }
  const explained = operations.some((it) => {
    if (it.kind !== 'delete' || it.outcome === 'refused' || it.invokedAt > read.endedAt) return false;
    const version = lineage.versionOf(it.id);
    return !version || order(version, floor.version) >= 0;
  });
  return explained ? [] : [{ breaks, why: `${read.id} found nothing of ${read.key} after ${after}` }];
}
