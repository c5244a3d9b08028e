import type { Journal, Journaled, ResolveOptions } from '../journal.ts';
import { canonicalJson } from '../json.ts';
import type { CallOptions } from '../record-store.ts';
import { turn } from './memory-turn.ts';

const MAX_LISTED = 1_000;

function identity({ kind, entity, key, bodies }: Journaled): string {
  return canonicalJson([kind, entity, key, bodies.theirs ?? null, bodies.ours ?? null]);
}

/** The journal in memory. An entry that was closed and is appended again is open again. */
export class MemoryJournal implements Journal {
  readonly #open = new Map<string, Journaled>();

  async append(entries: readonly Journaled[], options?: CallOptions): Promise<void> {
    await turn(options);
    this.appendNow(entries);
  }

  async list(entity: string, options?: CallOptions): Promise<readonly Journaled[]> {
    await turn(options);
    return this.#of(entity).slice(0, MAX_LISTED);
  }

  async count(
    entity: string,
    options?: CallOptions,
  ): Promise<{ readonly deadLetters: number; readonly conflicts: number }> {
    await turn(options);
    return this.countNow(entity);
  }

  /** Counts without waiting for anything. */
  countNow(entity: string): { readonly deadLetters: number; readonly conflicts: number } {
    const entries = this.#of(entity);
    const deadLetters = entries.filter((entry) => entry.kind === 'dead-letter').length;
    return { deadLetters, conflicts: entries.length - deadLetters };
  }

  async resolve(entity: string, keys: readonly string[], options: ResolveOptions = {}): Promise<void> {
    await turn(options);
    const { kind = 'dead-letter' } = options;
    for (const [id, entry] of this.#open)
      if (entry.entity === entity && entry.kind === kind && keys.includes(entry.key)) this.#open.delete(id);
  }

  /** Appends without waiting for anything, so that it is one with whatever else is done now. */
  appendNow(entries: readonly Journaled[]): void {
    for (const entry of entries) {
      const id = identity(entry);
      if (!this.#open.has(id))
        this.#open.set(
          id,
          Object.freeze({ ...entry, issues: [...entry.issues], bodies: { ...entry.bodies } }),
        );
    }
  }

  #of(entity: string): readonly Journaled[] {
    return [...this.#open.values()].filter((entry) => entry.entity === entity);
  }
}
