import {
  type CallOptions,
  type Checkpoint,
  type CheckpointStore,
  type FeedRange,
  type HeldRange,
  InvalidOptionsError,
  isJsonObject,
} from '@polyphase/core';
import {
  assemblePosition,
  boundsOf,
  type FeedPosition,
  formatPosition,
  parsePosition,
} from '../feed-position.ts';

/** How the first processor of a name began: what all that come later keep to. */
export interface Beginning {
  /** Identity of the container. */
  readonly rid: string;
  /** Date from which changes are told, in milliseconds since 1970; undefined: those from the position on. */
  readonly sinceMs: number | undefined;
  readonly allVersions: boolean;
}

/**
 * Where a processor's ranges are: a checkpoint for each, and one that says how it began. The ranges that are worked on are those that
 * have a checkpoint, so that one that was split is worked on until its halves have theirs.
 */
export class ProcessorPositions {
  readonly #checkpoints: CheckpointStore;
  readonly #begun: string;
  readonly #prefix: string;

  constructor(options: { readonly checkpoints: CheckpointStore; readonly name: string }) {
    this.#checkpoints = options.checkpoints;
    this.#begun = `${options.name}:begun`;
    this.#prefix = `${options.name}:range:`;
  }

  /** How it began, if it did. */
  async beginning(options: CallOptions = {}): Promise<Beginning | undefined> {
    const checkpoint = await this.#checkpoints.read(this.#begun, options);
    if (!checkpoint) return undefined;
    const data: unknown = JSON.parse(checkpoint.position);
    if (isJsonObject(data) && typeof data['rid'] === 'string') {
      const { rid, since, allVersions } = data;
      return {
        rid,
        sinceMs: typeof since === 'number' ? since : undefined,
        allVersions: allVersions === true,
      };
    }
    throw new InvalidOptionsError({
      message: `The checkpoint ${this.#begun} is none of a change feed processor`,
      operation: 'start',
    });
  }

  /** Notes how it began. Nothing happens where that was noted already. */
  async noteBeginning(beginning: Beginning, options: CallOptions = {}): Promise<void> {
    const { rid, sinceMs, allVersions } = beginning;
    const position = JSON.stringify({
      rid,
      ...(sinceMs === undefined ? {} : { since: sinceMs }),
      allVersions,
    });
    await this.#create(this.#begun, position, options);
  }

  /** The ranges that are worked on, with where they are. */
  async all(options: CallOptions = {}): Promise<ReadonlyMap<string, FeedPosition>> {
    const found = await this.#checkpoints.list(this.#prefix, options);
    return new Map(
      [...found].map(([name, { position }]) => [name.slice(this.#prefix.length), parsePosition(position)]),
    );
  }

  /** Where a range is; undefined where it is worked on no more. */
  async read(range: string, options: CallOptions = {}): Promise<Checkpoint | undefined> {
    return this.#checkpoints.read(this.#prefix + range, options);
  }

  /** Notes where a range begins. Nothing happens where it has begun already. */
  async begin(range: string, position: string, options: CallOptions = {}): Promise<void> {
    await this.#create(this.#prefix + range, position, options);
  }

  /**
   * Notes how far a range is read.
   *
   * @throws `FencedError` when the range was lost, or another moved it
   */
  async advance(
    range: string,
    step: {
      readonly from: Checkpoint;
      readonly position: string;
      readonly lease: ReturnType<HeldRange['proof']>;
    },
    options: CallOptions = {},
  ): Promise<Checkpoint> {
    const { from, position, lease } = step;
    const name = this.#prefix + range;
    return this.#checkpoints.advance({ name, expected: from.revision, position, lease }, options);
  }

  /**
   * Puts the halves of a split range in its place, each from where the whole is. Safe to repeat, and to end anywhere: the whole goes
   * last, and a half that was put there before goes on from where it is.
   */
  async split(
    range: string,
    parts: readonly string[],
    options: CallOptions & { readonly lease: ReturnType<HeldRange['proof']> },
  ): Promise<void> {
    const { signal } = options;
    const call = { signal };
    const noted = await this.read(range, call);
    if (!noted) return;
    const whole = new Map([[range, parsePosition(noted.position)]]);
    for (const part of parts) {
      const position = assemblePosition(part, whole);
      if (position) await this.#create(this.#prefix + part, formatPosition(position), options);
    }
    await this.#checkpoints.remove(this.#prefix + range, call);
  }

  async #create(
    name: string,
    position: string,
    options: CallOptions & { readonly lease?: ReturnType<HeldRange['proof']> },
  ): Promise<void> {
    const { lease, ...call } = options;
    try {
      await this.#checkpoints.advance({ name, expected: 0, position, lease }, call);
    } catch (error) {
      // Another was faster, or only the answer was lost.
      if (!(await this.#checkpoints.read(name, call))) throw error;
    }
  }
}

/**
 * The ranges that a range was split into: those that lie in it, if together they are all of it. Undefined where it was not split, or
 * was merged with another, and so is read as it is.
 */
export function partsOf(range: string, ranges: readonly FeedRange[]): readonly string[] | undefined {
  if (ranges.some((it) => it.id === range)) return undefined;
  const { min, max } = boundsOf(range);
  const inside = ranges
    .map((it) => ({ id: it.id, ...boundsOf(it.id) }))
    .filter((it) => it.min >= min && it.max <= max)
    .toSorted((a, b) => (a.min < b.min ? -1 : 1));
  let end = min;
  for (const it of inside) {
    if (it.min !== end) return undefined;
    end = it.max;
  }
  return end === max ? inside.map((it) => it.id) : undefined;
}
