import { type CallOptions, type CheckpointStore, FencedError } from '@polyphase/core';

/** What the people who run a backfill want of an entity. */
export type BackfillWish = 'run' | 'pause' | 'cancel';

const ATTEMPTS = 10;
const WISHES: ReadonlySet<string> = new Set(['run', 'pause', 'cancel'] satisfies BackfillWish[]);

/**
 * What is wanted of the backfill of each entity, kept in PostgreSQL beside the checkpoints: every worker on every machine reads it, and
 * it outlives them all.
 */
export class BackfillControl {
  readonly #checkpoints: CheckpointStore;

  constructor(options: { readonly checkpoints: CheckpointStore }) {
    this.#checkpoints = options.checkpoints;
  }

  /** What is wanted of an entity; `run` where nobody has said anything. */
  async read(entity: string, options?: CallOptions): Promise<BackfillWish> {
    const there = await this.#checkpoints.read(nameOf(entity), options);
    return there && isWish(there.position) ? there.position : 'run';
  }

  /** Notes what is wanted of an entity. The last who says something is obeyed. */
  async write(entity: string, wish: BackfillWish, options?: CallOptions): Promise<void> {
    for (let attempt = 1; ; attempt += 1) {
      const there = await this.#checkpoints.read(nameOf(entity), options);
      if (there?.position === wish) return;
      try {
        const expected = there?.revision ?? 0;
        await this.#checkpoints.advance({ name: nameOf(entity), expected, position: wish }, options);
        return;
      } catch (error) {
        // Somebody else said something meanwhile.
        if (!FencedError.isInstance(error) || attempt >= ATTEMPTS) throw error;
      }
    }
  }
}

function nameOf(entity: string): string {
  return `backfill:${entity}`;
}

function isWish(text: string): text is BackfillWish {
  return WISHES.has(text);
}
