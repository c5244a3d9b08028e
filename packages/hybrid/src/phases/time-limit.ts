import type { Clock } from '@polyphase/core';

/** How long something may take, and what it fails with when it takes longer. */
export interface TimeLimit {
  readonly clock: Clock;
  readonly ms: number;
  /** Aborts it as well. */
  readonly signal?: AbortSignal | undefined;
  readonly late: () => Error;
}

/** Runs work under a signal that aborts when the time is over. The timer ends with the work. */
export async function withinTime<Result>(
  limit: TimeLimit,
  work: (signal: AbortSignal) => Promise<Result>,
): Promise<Result> {
  const timer = new AbortController();
  const late = new AbortController();
  limit.clock.sleep(limit.ms, timer.signal).then(
    () => late.abort(limit.late()),
    () => undefined,
  );
  try {
    return await work(limit.signal ? AbortSignal.any([limit.signal, late.signal]) : late.signal);
  } finally {
    timer.abort();
  }
}
