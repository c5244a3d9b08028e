import type { ChangeFeed, Checkpoint, CheckpointStore, Clock, ControlRow, HeldRange } from '@polyphase/core';
import type { Pace } from '../pace/pace.ts';
import { pageBytes } from '../pace/page-bytes.ts';
import { startWaiting } from '../pace/waited.ts';
import { checkpointName } from '../relay/checkpoint-name.ts';
import type { CopySides, FoundPage } from '../relay/judge-page.ts';
import { PageCopier } from '../relay/page-copier.ts';
import type { BackfillCounts } from './backfill-ledger.ts';

const PAGE = 500;

/** What {@link RangeCopier} works with. */
export interface RangeCopierOptions {
  readonly sides: CopySides;
  readonly feed: ChangeFeed;
  readonly checkpoints: CheckpointStore;
  readonly clock: Clock;
  readonly pace: Pace;
  /** The control row as it was seen last; undefined where there is none. */
  readonly row: () => ControlRow | undefined;
  /** Whether the next page is still wanted. */
  readonly goesOn: () => boolean;
  /** Hears what was done. */
  readonly onDone: (counts: Partial<BackfillCounts>) => void;
}

/**
 * Copies one range of the feed for as long as there is something to copy: a turn.
 *
 * States of a turn: reading the first page; copying a page while the next one is read; ended, because the range had nothing more
 * to give, or the next page is not wanted any more, or something failed. A page that was read and not copied is read again by whoever
 * takes the next turn; a page that was copied never is, since its checkpoint moved with it.
 */
export class RangeCopier {
  readonly #options: RangeCopierOptions;
  readonly #copier: PageCopier;

  constructor(options: RangeCopierOptions) {
    const { sides, pace, onDone } = options;
    this.#options = options;
    this.#copier = new PageCopier(sides, {
      ready: (signal) => pace.ready(signal),
      meter: (cost) => {
        pace.meter(cost);
        onDone({ requestUnits: cost.requestUnits });
      },
    });
  }

  /**
   * Takes a turn at a range that is held, until another worker lacks it. Tells whether it had nothing more to give.
   *
   * @throws `FencedError` when another worker has the range now; whatever the stores throw
   */
  async turn(held: HeldRange, signal: AbortSignal): Promise<boolean> {
    const { sides, feed, checkpoints, goesOn } = this.#options;
    const prefix = checkpointName(sides.entity, '');
    const range = { id: held.range };
    const name = checkpointName(sides.entity, range.id);
    const known = await checkpoints.list(prefix, { signal });
    const positions = new Map([...known].map(([of, { position }]) => [of.slice(prefix.length), position]));
    let at = known.get(name);
    let ahead: Promise<FoundPage> | undefined = this.#read(range, feed.positionOf(range, positions), signal);
    try {
      for (;;) {
        const found = await ahead;
        ahead = undefined;
        if (!goesOn() || held.isAskedFor) return false;
        const { position, idle } = found.page;
        if (!idle) {
          ahead = this.#read(range, position, signal);
          // Whether it fails is asked when its turn has come.
          ahead.catch(() => undefined);
        }
        if (found.page.changes.length > 0 || position !== at?.position)
          at = await this.#copy(found, { name, at, held }, signal);
        if (idle || !ahead) return true;
      }
    } finally {
      // A reader of the feed goes on alone.
      await ahead?.catch(() => undefined);
    }
  }

  async #read(
    range: { readonly id: string },
    position: string | undefined,
    signal: AbortSignal,
  ): Promise<FoundPage> {
    const { feed, pace, row: latest, onDone } = this.#options;
    await pace.ready(signal);
    // As it was before the page was read: what is stamped belongs to the term in which it was found.
    const row = latest();
    const meter = (cost: Parameters<typeof pace.meter>[0]): void => {
      pace.meter(cost);
      onDone({ requestUnits: cost.requestUnits });
    };
    return { page: await feed.read(range, position, { limit: PAGE, signal, meter }), row };
  }

  async #copy(
    found: FoundPage,
    {
      name,
      at,
      held,
    }: { readonly name: string; readonly at: Checkpoint | undefined; readonly held: HeldRange },
    signal: AbortSignal,
  ): Promise<Checkpoint> {
    const { pace, clock, onDone } = this.#options;
    const { position, changes } = found.page;
    const expected = at?.revision ?? 0;
    const waited = startWaiting(clock);
    const copied = await this.#copier.copy(found, { name, expected, position, lease: held.proof() }, signal);
    const ms = waited();
    const bytes = pageBytes(found.page);
    const { applied, stamped, setAside } = copied;
    onDone({ records: changes.length, bytes, applied, stamped, setAside });
    if (changes.length > 0) await pace.applied({ ms, records: changes.length, bytes }, signal);
    return { position, revision: expected + 1 };
  }
}
