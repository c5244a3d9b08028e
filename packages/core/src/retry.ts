import type { Clock } from './clock.ts';
import { isTransientError, ThrottledError } from './errors.ts';

/** How often and how patiently a call is repeated. */
export interface RetryOptions {
  readonly clock: Clock;
  /** Calls in all, the first included. @default 5 */
  readonly attempts?: number;
  /** First wait in milliseconds; doubles each time, with full jitter. @default 20 */
  readonly baseMs?: number;
  /** Longest wait in milliseconds. @default 2000 */
  readonly maxMs?: number;
  readonly signal?: AbortSignal | undefined;
  /** Source of jitter, 0 to 1. @default Math.random */
  readonly random?: () => number;
}

/**
 * The wait before attempt number `attempt` (1 is the first repetition), in milliseconds: exponential with full jitter, so that
 * a crowd that failed together does not come back together.
 *
 * @see "Exponential Backoff And Jitter", AWS Architecture Blog, 2015
 */
export function backoffMs(
  attempt: number,
  options: { baseMs: number; maxMs: number; random: () => number },
): number {
  return options.random() * Math.min(options.maxMs, options.baseMs * 2 ** (attempt - 1));
}

/**
 * Repeats a call that fails with a transient error (nothing was written). Any other error, an unknown outcome among them, is
 * passed on at once: only the caller can decide about those. A throttled call waits at least what the store asked for.
 */
export async function retryTransient<Result>(
  call: () => Promise<Result>,
  options: RetryOptions,
): Promise<Result> {
  const { clock, attempts = 5, baseMs = 20, maxMs = 2_000, signal, random = Math.random } = options;
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await call();
    } catch (error) {
      if (attempt >= attempts || !isTransientError(error)) throw error;
      const asked = ThrottledError.isInstance(error) ? error.retryAfterMs : 0;
      await clock.sleep(Math.max(asked, backoffMs(attempt, { baseMs, maxMs, random })), signal);
    }
  }
}
