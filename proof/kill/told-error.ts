import {
  AlreadyExistsError,
  ConflictError,
  ConnectionError,
  FencedError,
  NotFoundError,
  type PolyphaseError,
  SealedError,
  StoreError,
  ThrottledError,
  TimeoutError,
  TransactionConflictError,
  UnknownOutcomeError,
} from '@polyphase/core';

const ERRORS: { readonly [code: string]: (message: string) => PolyphaseError } = {
  connection: (message) => new ConnectionError({ message }),
  timeout: (message) => new TimeoutError({ message }),
  throttled: (message) => new ThrottledError({ message, retryAfterMs: 0 }),
  'transaction-conflict': (message) => new TransactionConflictError({ message }),
  'unknown-outcome': (message) => new UnknownOutcomeError({ message, operationId: '' }),
  'not-found': (message) => new NotFoundError({ message }),
  'already-exists': (message) => new AlreadyExistsError({ message }),
  conflict: (message) => new ConflictError({ message }),
  fenced: (message) => new FencedError({ message }),
  sealed: (message) => new SealedError({ message }),
};

/** An error that was thrown in another process, as far as a client looks at it. */
export function errorOf({ code, message }: { readonly code: string; readonly message: string }): Error {
  return ERRORS[code]?.(message) ?? new StoreError({ message: `${code}: ${message}` });
}
