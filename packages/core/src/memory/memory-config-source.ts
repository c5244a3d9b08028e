import type { ConfigSource, LoadedConfig } from '../config-source.ts';
import { InvalidOptionsError } from '../errors.ts';
import type { CallOptions } from '../record-store.ts';
import { turn } from './memory-turn.ts';

/** Config in memory, which a program or a test replaces while others watch. */
export interface MemoryConfigSource extends ConfigSource {
  /** Replaces the config, without looking at it. */
  put(config: unknown): void;
  /** Leaves nothing there. */
  remove(): void;
}

class MemoryConfig implements MemoryConfigSource {
  #there: LoadedConfig | undefined;
  #changes = 0;
  readonly #waiting = new Set<() => void>();

  constructor(config: unknown) {
    if (config !== undefined) this.put(config);
  }

  put(config: unknown): void {
    this.#change({ loaded: structuredClone(config) });
  }

  remove(): void {
    this.#change(undefined);
  }

  async read(options?: CallOptions): Promise<LoadedConfig> {
    await turn(options);
    if (!this.#there)
      throw new InvalidOptionsError({ message: 'There is no config in memory; put one there' });
    return { loaded: structuredClone(this.#there.loaded) };
  }

  async *watch({ signal }: { readonly signal: AbortSignal }): AsyncGenerator<void, void, void> {
    let told = -1;
    while (!signal.aborted) {
      if (told === this.#changes) await this.#nextChange(signal);
      if (told === this.#changes || signal.aborted) continue;
      told = this.#changes;
      yield;
    }
  }

  #change(there: LoadedConfig | undefined): void {
    this.#there = there;
    this.#changes += 1;
    for (const wake of this.#waiting) wake();
  }

  #nextChange(signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const wake = (): void => {
        this.#waiting.delete(wake);
        signal.removeEventListener('abort', wake);
        resolve();
      };
      this.#waiting.add(wake);
      signal.addEventListener('abort', wake, { once: true });
      if (signal.aborted) wake();
    });
  }
}

/**
 * A config source in memory: for tests, and for a program that has its config from somewhere of its own.
 *
 * @example
 * ```ts
 * import { memoryConfigSource } from '@polyphase/core/memory';
 *
 * const source = memoryConfigSource({ revision: 1, entities: { accounts: { policy: 'cosmos-only' } } });
 * source.put({ revision: 2, entities: { accounts: { policy: 'dual-write' } } });
 * ```
 */
export function memoryConfigSource(config?: unknown): MemoryConfigSource {
  return new MemoryConfig(config);
}
