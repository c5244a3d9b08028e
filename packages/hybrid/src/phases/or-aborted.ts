/** The outcome of a promise, or the signal's reason as soon as it aborts. What was begun goes on; nobody waits for it any more. */
export function orAborted<Result>(
  promise: Promise<Result>,
  signal: AbortSignal | undefined,
): Promise<Result> {
  if (!signal) return promise;
  return new Promise((resolve, reject) => {
    const abort = (): void => reject(signal.reason);
    const end = (): void => signal.removeEventListener('abort', abort);
    promise.then(resolve, reject).finally(end);
    if (signal.aborted) abort();
    else signal.addEventListener('abort', abort, { once: true });
  });
}
