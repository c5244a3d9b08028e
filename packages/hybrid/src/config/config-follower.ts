import {
  type Clock,
  type ConfigSource,
  InvalidOptionsError,
  type LoadedConfig,
  type Notices,
} from '@polyphase/core';
import type { HybridNotices } from '../hybrid-notices.ts';
import { Loops } from '../loops.ts';

/** What {@link ConfigFollower} works with. */
export interface ConfigFollowerOptions {
  readonly source: ConfigSource;
  /** What was read from the source and runs. */
  readonly running: LoadedConfig;
  /** Takes another config, or refuses it and tells why. */
  readonly configure: (config: LoadedConfig) => Promise<void>;
  readonly clock: Clock;
  /** Pause after a first failure to watch, in milliseconds. */
  readonly pollMs: number;
  readonly notices: Notices<HybridNotices>;
}

/**
 * Takes what its source holds, again after each change.
 *
 * States: watching; taking what is there (read, then configure); pausing after the source or a store could not be reached, then
 * watching again; ended. What was taken or refused is not tried twice; what could not be reached is.
 */
export class ConfigFollower {
  readonly #options: ConfigFollowerOptions;
  readonly #loops: Loops;
  #seen: string;
  #kept: string | undefined;

  constructor(options: ConfigFollowerOptions) {
    this.#options = options;
    this.#seen = textOf(options.running);
    this.#loops = new Loops({
      clock: options.clock,
      pollMs: options.pollMs,
      onFailure: (_, error) => {
        this.#keep(error);
        return false;
      },
    });
  }

  /** Starts to follow. */
  start(): void {
    const { source, pollMs } = this.#options;
    this.#loops.start('config', async () => {
      for await (const _ of source.watch({ signal: this.#loops.signal })) await this.#take();
      return pollMs;
    });
  }

  /** Ends. Resolves when nothing is being taken any more. */
  async stop(): Promise<void> {
    await this.#loops.stop('The hybrid was closed');
  }

  async #take(): Promise<void> {
    const { source, configure } = this.#options;
    const { signal } = this.#loops;
    try {
      const config = await source.read({ signal });
      const text = textOf(config);
      if (text === this.#seen) {
        this.#kept = undefined;
        return;
      }
      await configure(config).catch((error: unknown) => {
        // It would be refused again: only another one is worth a try.
        if (InvalidOptionsError.isInstance(error)) this.#seen = text;
        throw error;
      });
      this.#seen = text;
      this.#kept = undefined;
    } catch (error) {
      if (!InvalidOptionsError.isInstance(error)) throw error;
      this.#keep(error);
    }
  }

  // Told once for each reason: a source that is away for an hour is one notice.
  #keep(error: unknown): void {
    const reason = error instanceof Error ? error.message : String(error);

    if (reason === this.#kept) return;
    this.#kept = reason;
    this.#options.notices.tell('configKept', { error });
  }
}

function textOf(config: LoadedConfig): string {
  return JSON.stringify(config.loaded) ?? '';
}
