import type { ControlRow, Phase } from './control.ts';
import type { CallOptions } from './record-store.ts';

/** A process that serves calls of a group, as the others see it. */
export interface Member {
  /** Name of the process in leases. */
  readonly holder: string;
  /** Epoch of the control row that it obeys: no call of it goes by an earlier one any more. */
  readonly epoch: number;
  /** Version of the SDK that it runs. */
  readonly version: string;
  /** Phases that it can work in; none where it never said. */
  readonly supports: readonly Phase[];
  /** Milliseconds until it counts as gone unless it beats again, by the store's clock. */
  readonly remainingMs: number;
}

/** What a member says of itself at each beat. */
export interface Beat {
  readonly group: string;
  readonly holder: string;
  readonly epoch: number;
  readonly version: string;
  /** Phases that it can work in. A step into another one waits until it has gone. */
  readonly supports: readonly Phase[];
  /** How long it counts as alive, in milliseconds, counted by itself from before it asks. */
  readonly durationMs: number;
}

/** What a beat is answered with. */
export interface BeatAnswer {
  /** The control row as the beat found it; undefined where there is none, and then nothing was noted. */
  readonly row: ControlRow | undefined;
  /** The store's own date at the beat, in milliseconds. */
  readonly nowMs: number;
  /** The store's date when the rows are known to have held all that the documents held. Undefined: that was never noted. */
  readonly freshAtMs: number | undefined;
}

/**
 * The processes that serve a group: who they are, and which control row each obeys. A step that takes the authority from this store
 * waits until every member that may still answer for it has said that it does not.
 *
 * Guarantee: a beat waits for an exclusive step that is under way. So of each beat either {@link Members.list} tells that is asked for
 * after the step, or its answer has the row that the step made.
 */
export interface Members {
  /** Makes a process a member until `durationMs` from now, and tells it where the group is. */
  beat(beat: Beat, options?: CallOptions): Promise<BeatAnswer>;
  /** Members whose time is not over. */
  list(group: string, options?: CallOptions): Promise<readonly Member[]>;
  /** Takes a process off the list: none of its calls is under way any more. */
  leave(group: string, holder: string, options?: CallOptions): Promise<void>;
  /**
   * Notes that the rows held everything that the documents held at `atMs`, by the store's own date: what is noted late is no fresher for
   * that. Takes the place of the note that is there, in whatever order they come: an earlier moment is the safe one.
   */
  noteFresh(group: string, atMs: number, options?: CallOptions): Promise<void>;
}
