import type { Issue } from './json.ts';

// Errors are split by what the caller does next. A class carries a literal code, so that a switch over PolyphaseError["code"]
// is exhaustive, and a registered symbol, so that two copies of this package recognise each other's errors.
const marker = Symbol.for('polyphase.error');

/** What every error may say: which operation on which entity and key, and what was underneath. Never values or secrets. */
export interface ErrorDetails {
  /** What happened, and what to do about it. */
  readonly message: string;
  readonly operation?: string;
  readonly entity?: string;
  /** A harmless label of the key (see `keyLabel`), never its values. */
  readonly key?: string;
  readonly cause?: unknown;
}

abstract class BaseError<Code extends string> extends Error {
  readonly [marker] = true;
  abstract readonly code: Code;
  abstract readonly retryable: boolean;
  readonly operation: string | undefined;
  readonly entity: string | undefined;
  readonly key: string | undefined;

  constructor(details: ErrorDetails) {
    const where = [details.operation, details.entity, details.key]
      .filter((part) => part !== undefined)
      .join(' ');
    super(
      where === '' ? details.message : `${details.message} (${where})`,
      details.cause === undefined ? undefined : { cause: details.cause },
    );
    this.name = new.target.name;
    this.operation = details.operation;
    this.entity = details.entity;
    this.key = details.key;
  }
}

function hasCode(error: unknown, codes: readonly string[]): boolean {
  return (
    typeof error === 'object' &&
    error !== null &&
    marker in error &&
    'code' in error &&
    codes.includes(String(error.code))
  );
}

/** Options or config are wrong: fix them. Nothing was changed; a running config stays. */
export class InvalidOptionsError extends BaseError<'invalid-options'> {
  readonly code = 'invalid-options';
  readonly retryable = false;
  /** Every problem that was found, not only the first. */
  readonly problems: readonly string[];
  constructor(details: ErrorDetails & { readonly problems?: readonly string[] }) {
    const list = details.problems ?? [];
    super(
      list.length > 0
        ? { ...details, message: `${details.message}:${list.map((problem) => `\n  - ${problem}`).join('')}` }
        : details,
    );
    this.problems = list;
  }

  /** Tells whether an error is one of these, from any copy of this package. */
  static isInstance(error: unknown): error is InvalidOptionsError {
    return hasCode(error, ['invalid-options']);
  }
}

/** The data cannot be stored as it is: fix it. Issues carry paths and reasons, never values. */
export class InvalidDataError extends BaseError<'invalid-data'> {
  readonly code = 'invalid-data';
  readonly retryable = false;
  readonly issues: readonly Issue[];
  constructor(details: ErrorDetails & { readonly issues?: readonly Issue[] }) {
    const issues = details.issues ?? [];
    const list = issues.map((issue) => `${issue.path.join('.') || '(root)'}: ${issue.message}`).join('; ');
    super(list === '' ? details : { ...details, message: `${details.message}: ${list}` });
    this.issues = issues;
  }

  /** Tells whether an error is one of these, from any copy of this package. */
  static isInstance(error: unknown): error is InvalidDataError {
    return hasCode(error, ['invalid-data']);
  }
}

/** The record to change is not there. */
export class NotFoundError extends BaseError<'not-found'> {
  readonly code = 'not-found';
  readonly retryable = false;

  /** Tells whether an error is one of these, from any copy of this package. */
  static isInstance(error: unknown): error is NotFoundError {
    return hasCode(error, ['not-found']);
  }
}

/** The record to create is there already, or another record holds one of its unique values. */
export class AlreadyExistsError extends BaseError<'already-exists'> {
  readonly code = 'already-exists';
  readonly retryable = false;

  /** Tells whether an error is one of these, from any copy of this package. */
  static isInstance(error: unknown): error is AlreadyExistsError {
    return hasCode(error, ['already-exists']);
  }
}

/** The record changed since the version that was given: reload it and decide again. */
export class ConflictError extends BaseError<'conflict'> {
  readonly code = 'conflict';
  readonly retryable = false;
  readonly expected: string | undefined;
  readonly actual: string | undefined;
  constructor(details: ErrorDetails & { readonly expected?: string; readonly actual?: string }) {
    super(details);
    this.expected = details.expected;
    this.actual = details.actual;
  }

  /** Tells whether an error is one of these, from any copy of this package. */
  static isInstance(error: unknown): error is ConflictError {
    return hasCode(error, ['conflict']);
  }
}

/** The store cannot be reached. Nothing was written; try again later. */
export class ConnectionError extends BaseError<'connection'> {
  readonly code = 'connection';
  readonly retryable = true;

  /** Tells whether an error is one of these, from any copy of this package. */
  static isInstance(error: unknown): error is ConnectionError {
    return hasCode(error, ['connection']);
  }
}

/** The store did not answer in time. Nothing was written. */
export class TimeoutError extends BaseError<'timeout'> {
  readonly code = 'timeout';
  readonly retryable = true;

  /** Tells whether an error is one of these, from any copy of this package. */
  static isInstance(error: unknown): error is TimeoutError {
    return hasCode(error, ['timeout']);
  }
}

/** The store asks for less load. Nothing was written; wait `retryAfterMs`. */
export class ThrottledError extends BaseError<'throttled'> {
  readonly code = 'throttled';
  readonly retryable = true;
  /** Milliseconds to wait before the next attempt. */
  readonly retryAfterMs: number;
  constructor(details: ErrorDetails & { readonly retryAfterMs: number }) {
    super(details);
    this.retryAfterMs = details.retryAfterMs;
  }

  /** Tells whether an error is one of these, from any copy of this package. */
  static isInstance(error: unknown): error is ThrottledError {
    return hasCode(error, ['throttled']);
  }
}

/** Another transaction stood in the way (serialisation failure, deadlock, a record that changed). Nothing was written; run it again. */
export class TransactionConflictError extends BaseError<'transaction-conflict'> {
  readonly code = 'transaction-conflict';
  readonly retryable = true;

  /** Tells whether an error is one of these, from any copy of this package. */
  static isInstance(error: unknown): error is TransactionConflictError {
    return hasCode(error, ['transaction-conflict']);
  }
}

/**
 * The write was sent and nobody knows whether it took effect. Repeat it with the same `operationId`: it takes effect at most
 * once, and the repetition says which.
 */
export class UnknownOutcomeError extends BaseError<'unknown-outcome'> {
  readonly code = 'unknown-outcome';
  readonly retryable = true;
  readonly operationId: string;
  constructor(details: ErrorDetails & { readonly operationId: string }) {
    super(details);
    this.operationId = details.operationId;
  }

  /** Tells whether an error is one of these, from any copy of this package. */
  static isInstance(error: unknown): error is UnknownOutcomeError {
    return hasCode(error, ['unknown-outcome']);
  }
}

/** Somebody else owns what this caller believed to own: a lease was lost, or the authority moved. Stop; do not retry. */
export class FencedError extends BaseError<'fenced'> {
  readonly code = 'fenced';
  readonly retryable = false;

  /** Tells whether an error is one of these, from any copy of this package. */
  static isInstance(error: unknown): error is FencedError {
    return hasCode(error, ['fenced']);
  }
}

/** The authority is moving and writes were held for as long as the bounds allow. Nothing was written; try again. */
export class SealedError extends BaseError<'sealed'> {
  readonly code = 'sealed';
  readonly retryable = true;

  /** Tells whether an error is one of these, from any copy of this package. */
  static isInstance(error: unknown): error is SealedError {
    return hasCode(error, ['sealed']);
  }
}

/** The store cannot do what was asked; it was refused before any request was sent. */
export class UnsupportedError extends BaseError<'unsupported'> {
  readonly code = 'unsupported';
  readonly retryable = false;

  /** Tells whether an error is one of these, from any copy of this package. */
  static isInstance(error: unknown): error is UnsupportedError {
    return hasCode(error, ['unsupported']);
  }
}

/** The store failed in a way that has no name here; the driver's error is the cause. */
export class StoreError extends BaseError<'store'> {
  readonly code = 'store';
  readonly retryable = false;

  /** Tells whether an error is one of these, from any copy of this package. */
  static isInstance(error: unknown): error is StoreError {
    return hasCode(error, ['store']);
  }
}

/** Errors after which the same call may simply be made again: nothing was written. */
export type TransientError = ConnectionError | TimeoutError | ThrottledError | TransactionConflictError;

/** Every error that this SDK throws. A `switch` on `code` is exhaustive. */
export type PolyphaseError =
  | InvalidOptionsError
  | InvalidDataError
  | NotFoundError
  | AlreadyExistsError
  | ConflictError
  | TransientError
  | UnknownOutcomeError
  | FencedError
  | SealedError
  | UnsupportedError
  | StoreError;

/** Tells whether an error is one of ours, from any copy of this package. */
export function isPolyphaseError(error: unknown): error is PolyphaseError {
  return typeof error === 'object' && error !== null && marker in error;
}

/** Tells whether an error says that nothing was written and the same call may be made again. */
export function isTransientError(error: unknown): error is TransientError {
  return hasCode(error, ['connection', 'timeout', 'throttled', 'transaction-conflict']);
}
