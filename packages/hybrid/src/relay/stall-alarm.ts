import type { Clock } from '@polyphase/core';

/** A range of the change feed through which nothing comes. */
export interface StalledRange {
  /** Name of the range; undefined where not even a marker can be written into the feed. */
  readonly range: string | undefined;
  /** When it was seen to move last, in milliseconds since 1970. */
  readonly sinceMs: number;
  /** The process that has the range, by its name in leases; undefined where none has. */
  readonly holder: string | undefined;
  /** What to do about it. */
  readonly advice: string;
}

/** What {@link StallAlarm} works with. */
export interface StallAlarmOptions {
  readonly clock: Clock;
  /** How long a range may stand still while a marker waits in it, in milliseconds. */
  readonly afterMs: number;
  /** Who has the ranges now. */
  readonly holders: (signal: AbortSignal) => Promise<ReadonlyMap<string, string>>;
  /** Is told of each stall once. */
  readonly onStalled: (stalled: StalledRange) => void;
}

/** Stands for the feed as a whole, where no marker could be written. */
const WHOLE = '';

const UNREACHABLE =
  'No marker can be written to Cosmos DB: see whether it can be reached, and what the notices "trouble" say';
const NOBODY =
  'No process copies the range: start one with the role "relay", or see what the notices "trouble" of those that run say';

/**
 * Tells when the change feed stands still: a marker was sent through it as a canary and does not come out, and nothing else is copied
 * from that range either. A feed that is far behind and moves is no stall: its lag tells that.
 *
 * States of a range: passed; waited for, since the marker was sent or since it moved last; stalled, until its marker has come.
 */
export class StallAlarm {
  readonly #options: StallAlarmOptions;
  readonly #waits = new Map<string, { readonly position: string | undefined; readonly since: number }>();
  readonly #stalled = new Map<string, StalledRange>();

  constructor(options: StallAlarmOptions) {
    this.#options = options;
  }

  /** What stands still now. */
  get stalled(): readonly StalledRange[] {
    return [...this.#stalled.values()];
  }

  /** Takes note of the ranges whose marker, sent at that moment, has not come out, and of where they stand. All others are well. */
  async note(
    behind: ReadonlyMap<string, string | undefined>,
    sentAt: number,
    signal: AbortSignal,
  ): Promise<void> {
    for (const range of [...this.#waits.keys(), ...this.#stalled.keys()])
      if (!behind.has(range)) this.#end(range);
    const now = this.#options.clock.monotonic();
    for (const [range, position] of behind) {
      const before = this.#waits.get(range);
      const since = before?.position === position ? before?.since : undefined;
      this.#waits.set(range, { position, since: since ?? (before ? now : sentAt) });
    }
    await this.#raise(now, signal);
  }

  /** Takes note that no marker could be written since that moment. */
  async noteSilent(since: number, signal: AbortSignal): Promise<void> {
    await this.note(new Map([[WHOLE, undefined]]), since, signal);
  }

  /** Forgets everything: another process watches, or nothing is to be copied. */
  forget(): void {
    this.#waits.clear();
    this.#stalled.clear();
  }

  #end(range: string): void {
    this.#waits.delete(range);
    this.#stalled.delete(range);
  }

  async #raise(now: number, signal: AbortSignal): Promise<void> {
    const { clock, afterMs, holders, onStalled } = this.#options;
    const late = [...this.#waits].filter(
      ([range, { since }]) => now - since >= afterMs && !this.#stalled.has(range),
    );
    if (late.length === 0) return;
    const isWhole = late.every(([range]) => range === WHOLE);
    const held = isWhole ? new Map<string, string>() : await holders(signal);
    for (const [range, { since }] of late) {
      const holder = held.get(range);
      const stalled = {
        range: range === WHOLE ? undefined : range,
        sinceMs: clock.now() - (now - since),
        holder,
        advice: adviceOf(range, holder),
      };
      this.#stalled.set(range, stalled);
      onStalled(stalled);
    }
  }
}

function adviceOf(range: string, holder: string | undefined): string {
  if (range === WHOLE) return UNREACHABLE;
  if (holder === undefined) return NOBODY;
  return `The process ${holder} has the range and copies nothing of it: see what its notices "trouble" say, and end it if it stands still; another process takes the range then`;
}
