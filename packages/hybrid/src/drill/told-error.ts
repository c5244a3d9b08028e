import { isPolyphaseError } from '@polyphase/core';

/** An error in a line without values: only the SDK's own messages are known to have none. */
export function toldError(error: unknown): string {
  if (isPolyphaseError(error)) return `${error.code}: ${error.message}`;
  return error instanceof Error ? error.name : typeof error;
}
