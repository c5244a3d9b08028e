import { isTransientError, UnknownOutcomeError } from '@polyphase/core';

/**
 * Whether work of the protocol may simply be done again after an error: either nothing was written, or what was written is found
 * again, since every step is conditional and safe to repeat.
 */
export function mayTryAgain(error: unknown): boolean {
  return isTransientError(error) || UnknownOutcomeError.isInstance(error);
}
