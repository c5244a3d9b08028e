import type { CallOptions } from '../record-store.ts';

/** Lets everybody else go first, as a call over a network would; then stops if the caller gave up meanwhile. */
export async function turn(options?: CallOptions): Promise<void> {
  options?.signal?.throwIfAborted();
  await Promise.resolve();
  options?.signal?.throwIfAborted();
}
