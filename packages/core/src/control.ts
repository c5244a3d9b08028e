import type { CallOptions } from './record-store.ts';

/**
 * Where a group is in the migration protocol: 0 cosmos-only, 1 capture, 2 dual, 3 dual with reads on PostgreSQL, 4 armed,
 * 5 sealed forward, 6 postgres with reverse sync, 5' sealed back, 7 postgres only, 7r rearm.
 */
export type Phase = '0' | '1' | '2' | '3' | '4' | '5' | '6' | "5'" | '7' | '7r';

/** The one store whose acknowledgement makes a write true. */
export type Authority = 'cosmos' | 'postgres';

/** Where config wants a group to be, written into the control row so that every controller reads one and the same wish. */
export interface Wish {
  readonly phase: '0' | '2' | '3' | '6' | '7';
  /** Whether a step that moves the authority may be taken without a person's word. */
  readonly flip: 'auto' | 'manual';
  /** Revision of the config that asked. A wish of a lower one is refused. */
  readonly revision: number;
  /** Groups whose authority moves in the same step, this one among them, sorted; undefined: it moves alone. */
  readonly together?: readonly string[] | undefined;
}

/** Tells whether two wishes ask for the same, whatever their revisions. */
export function sameWish(a: Wish, b: Wish): boolean {
  return a.phase === b.phase && a.flip === b.flip && a.together?.join('\n') === b.together?.join('\n');
}

/** The row that every process obeys. Config is what is wanted; this is what is true. */
export interface ControlRow {
  readonly group: string;
  /** Rises with each change of the row; the token of the compare-and-set. */
  readonly epoch: number;
  readonly phase: Phase;
  /** Rises each time the authority moves. */
  readonly term: number;
  readonly wish: Wish;
}

/** What a compare-and-set changes. */
export interface ControlChange {
  readonly phase: Phase;
  readonly term: number;
}

/** One row's part of a step that several take together. */
export interface ControlStep extends ControlChange {
  readonly group: string;
  readonly epoch: number;
}

/** How the row is changed. */
export interface AdvanceOptions extends CallOptions {
  /**
   * Waits for every write in flight in this store and keeps new ones out while the row changes. Wanted for each step from and to a
   * phase in which this store is the authority.
   */
  readonly exclusive?: boolean | undefined;
  /**
   * Moves the row only where the journal has no open dead letter of an entity of the group's name, looked at when nothing is in flight any
   * more. Wanted for the step that makes this store the authority: what is open then would be taken for the truth.
   */
  readonly whenMended?: boolean | undefined;
}

/** Keeps the control row. Its compare-and-set is the only commit point of the protocol. */
export interface ControlStore {
  /** The row of a group, if there is one. */
  read(group: string, options?: CallOptions): Promise<ControlRow | undefined>;
  /** Makes the row unless there is one; answers with the row that is there. */
  create(row: ControlRow, options?: CallOptions): Promise<ControlRow>;
  /** Moves the row from `epoch` to `epoch + 1`. Undefined when it is no longer at that epoch, or not mended: look again. */
  advance(
    group: string,
    epoch: number,
    change: ControlChange,
    options?: AdvanceOptions,
  ): Promise<ControlRow | undefined>;
  /**
   * Moves several rows as {@link ControlStore.advance} moves one: all of them or, when one is no longer at its epoch or not mended, none.
   * Nobody ever sees some of them moved and some not.
   */
  advanceAll(
    steps: readonly ControlStep[],
    options?: AdvanceOptions,
  ): Promise<readonly ControlRow[] | undefined>;
  /**
   * Replaces the wish if its revision is higher than the one there, or the wish is the same. The epoch does not change.
   *
   * @throws {@link InvalidOptionsError} when the revision is lower, or equal with another wish
   */
  submit(group: string, wish: Wish, options?: CallOptions): Promise<ControlRow>;
}

/** The store that is the authority in a phase. */
export function authorityOf(phase: Phase): Authority {
  return phase === '6' || phase === "5'" || phase === '7' || phase === '7r' ? 'postgres' : 'cosmos';
}
