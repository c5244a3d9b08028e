import type { Clock } from './clock.ts';
import type { CallOptions } from './record-store.ts';

/** A config of which nothing is known at compile time, such as one from a file: it is checked when it is used. */
export interface LoadedConfig {
  /** What was loaded. */
  readonly loaded: unknown;
}

/**
 * Where config is kept. A source does not judge: it hands over what is there, and whoever uses it checks that as a whole.
 */
export interface ConfigSource {
  /**
   * What is there now.
   *
   * @throws `InvalidOptionsError` when nothing is there, or it is no JSON; `ConnectionError` and its like when it cannot be reached
   */
  read(options?: CallOptions): Promise<LoadedConfig>;
  /**
   * Tells when {@link ConfigSource.read} may answer otherwise: once at the start, so that nothing is missed between reading and
   * watching, and again after changes. Several changes may be told as one; the last is never left out. Ends when the signal aborts.
   *
   * @throws what {@link ConfigSource.read} throws when the source cannot be reached: watch again
   */
  watch(options: { readonly signal: AbortSignal }): AsyncIterable<void>;
}

/** What {@link watchByPolling} needs. */
export interface PollingOptions {
  /** Text that differs whenever what is there differs; undefined when nothing is there. */
  readonly look: (signal: AbortSignal) => Promise<string | undefined>;
  /** Pause between two looks, in milliseconds. */
  readonly pollMs: number;
  readonly clock: Clock;
  readonly signal: AbortSignal;
}

/** The `watch` of a source that can only be looked at again and again. */
export async function* watchByPolling(options: PollingOptions): AsyncGenerator<void, void, void> {
  const { look, pollMs, clock, signal } = options;
  let last: { readonly seen: string | undefined } | undefined;
  while (!signal.aborted) {
    try {
      const seen = await look(signal);
      if (last && last.seen === seen) {
        await clock.sleep(pollMs, signal);
        continue;
      }
      last = { seen };
    } catch (error) {
      if (signal.aborted) return;
      throw error;
    }
    yield;
  }
}
