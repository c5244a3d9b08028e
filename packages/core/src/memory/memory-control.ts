import {
  type AdvanceOptions,
  authorityOf,
  type ControlChange,
  type ControlRow,
  type ControlStep,
  type ControlStore,
  sameWish,
  type Wish,
} from '../control.ts';
import {
  FencedError,
  InvalidOptionsError,
  NotFoundError,
  SealedError,
  TransactionConflictError,
} from '../errors.ts';
import type { CallOptions } from '../record-store.ts';
import type { MemoryJournal } from './memory-journal.ts';
import { MemoryLock, type Unlock } from './memory-locks.ts';
import { turn } from './memory-turn.ts';

/** What a fenced write holds while it is under way. */
export interface FencePass {
  /** Whether the write must leave a dirty key. */
  readonly capture: boolean;
  readonly leave: Unlock;
}

function copyRow(row: ControlRow): ControlRow {
  return { ...row, wish: { ...row.wish } };
}

/** Control rows in memory, with the locks by which writes are fenced and an exclusive step waits for those in flight. */
export class MemoryControl implements ControlStore {
  readonly #rows = new Map<string, ControlRow>();
  readonly #locks = new Map<string, MemoryLock>();
  readonly #journal: MemoryJournal;

  constructor(options: { readonly journal: MemoryJournal }) {
    this.#journal = options.journal;
  }

  async read(group: string, options?: CallOptions): Promise<ControlRow | undefined> {
    await turn(options);
    const row = this.#rows.get(group);
    return row && copyRow(row);
  }

  async create(row: ControlRow, options?: CallOptions): Promise<ControlRow> {
    await turn(options);
    const there = this.#rows.get(row.group) ?? copyRow(row);
    this.#rows.set(row.group, there);
    return copyRow(there);
  }

  async advance(
    group: string,
    epoch: number,
    change: ControlChange,
    options: AdvanceOptions = {},
  ): Promise<ControlRow | undefined> {
    return (await this.advanceAll([{ group, epoch, ...change }], options))?.[0];
  }

  async advanceAll(
    steps: readonly ControlStep[],
    options: AdvanceOptions = {},
  ): Promise<readonly ControlRow[] | undefined> {
    await turn(options);
    const unlocks: Unlock[] = [];
    try {
      if (options.exclusive === true)
        for (const { group } of steps.toSorted((a, b) => (a.group < b.group ? -1 : 1)))
          unlocks.push(await this.#lock(group).take('exclusive', options.signal));
      const moved = steps.map((step) => this.#moved(step, options));
      if (!moved.every((row) => row !== undefined)) return undefined;
      for (const row of moved) this.#rows.set(row.group, row);
      return moved.map(copyRow);
    } finally {
      for (const unlock of unlocks) unlock();
    }
  }

  #moved({ group, epoch, phase, term }: ControlStep, options: AdvanceOptions): ControlRow | undefined {
    const row = this.#rows.get(group);
    if (row?.epoch !== epoch) return undefined;
    if (options.whenMended === true && this.#journal.countNow(group).deadLetters > 0) return undefined;
    return { ...row, phase, term, epoch: epoch + 1 };
  }

  async submit(group: string, wish: Wish, options?: CallOptions): Promise<ControlRow> {
    await turn(options);
    const row = this.#rows.get(group);
    if (!row)
      throw new NotFoundError({
        message: 'The group has no control row yet',
        operation: 'submit',
        key: group,
      });
    const there = row.wish;
    if (wish.revision < there.revision || (wish.revision === there.revision && !sameWish(wish, there)))
      throw new InvalidOptionsError({
        message: `Config revision ${wish.revision} is not above ${there.revision}, which is in force; raise it`,
        operation: 'submit',
        key: group,
      });
    const next = { ...row, wish: { ...wish } };
    this.#rows.set(group, next);
    return copyRow(next);
  }

  /**
   * Begins a fenced write: waits while an exclusive step is under way, then looks whether this store is the authority in `term`.
   *
   * @throws {@link SealedError} in phase 5', {@link FencedError} when the authority is elsewhere or the term is another
   */
  async enter(group: string, term: number, signal?: AbortSignal): Promise<FencePass> {
    const leave = await this.#lock(group).take('shared', signal);
    const row = this.#rows.get(group);
    if (row && authorityOf(row.phase) === 'postgres' && row.term === term) {
      if (row.phase !== "5'") return { capture: row.phase === '6' || row.phase === '7r', leave };
      leave();
      throw new SealedError({
        message: 'The authority is moving back; nothing was written, try again',
        key: group,
      });
    }
    leave();
    throw new FencedError({ message: `The rows are not the authority in term ${term}`, key: group });
  }

  /**
   * Looks whether the authority of a group is still of a term. Nothing waits, so no exclusive step can come between.
   *
   * @throws {@link TransactionConflictError} when it is of another
   */
  checkTerm({ group, term }: { readonly group: string; readonly term: number }): void {
    if (this.#rows.get(group)?.term === term) return;
    throw new TransactionConflictError({
      message: `The authority of term ${term} has moved on; look again`,
      key: group,
    });
  }

  /** Does something at a moment when no exclusive step is under way, with the row as the last one left it. */
  async sharing<Result>(
    group: string,
    signal: AbortSignal | undefined,
    work: (row: ControlRow | undefined) => Result,
  ): Promise<Result> {
    const leave = await this.#lock(group).take('shared', signal);
    try {
      const row = this.#rows.get(group);
      return work(row && copyRow(row));
    } finally {
      leave();
    }
  }

  #lock(group: string): MemoryLock {
    const lock = this.#locks.get(group) ?? new MemoryLock();
    this.#locks.set(group, lock);
    return lock;
  }
}
