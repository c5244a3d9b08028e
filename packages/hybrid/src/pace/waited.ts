import { type Clock, systemClock } from '@polyphase/core';

/**
 * Begins to measure how long this process waits for something, in milliseconds, without what it was busy with itself meanwhile: the
 * work of other lanes, of the application, of the garbage collector. Otherwise a busy process would take itself for a slow database.
 */
export function startWaiting(clock: Clock): () => number {
  const startedAt = clock.monotonic();
  const before = performance.eventLoopUtilization();
  return () => {
    const ms = clock.monotonic() - startedAt;
    // The time of a test has nothing to do with what this machine is busy with.
    return clock === systemClock ? ms * (1 - performance.eventLoopUtilization(before).utilization) : ms;
  };
}
