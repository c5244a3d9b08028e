import {
  ConnectionError,
  InvalidDataError,
  InvalidOptionsError,
  isJsonObject,
  isPolyphaseError,
  type PolyphaseError,
  StoreError,
  ThrottledError,
  TimeoutError,
  TransactionConflictError,
} from '@polyphase/core';

/** Where something failed: named in messages, never with values. */
export interface Where {
  readonly operation: string;
  readonly entity: string;
  /** Label of the key. */
  readonly key?: string | undefined;
}

/** What the driver's error says, whichever of its shapes it has. */
export interface CosmosFailure {
  /** HTTP status; undefined when there was no answer. */
  readonly status: number | undefined;
  readonly substatus: number | undefined;
  /** The driver's or the system's code when there was no answer, such as `ECONNRESET`. */
  readonly code: string | undefined;
  readonly retryAfterMs: number | undefined;
  readonly message: string;
  readonly headers: Readonly<Record<string, unknown>> | undefined;
}

const asNumber = (value: unknown): number | undefined =>
  typeof value === 'number' && Number.isFinite(value) ? value : undefined;

/** Reads a driver's error. A failed batch hides the real one in its cause. */
export function failureOf(error: unknown): CosmosFailure {
  const fields: Readonly<Record<string, unknown>> =
    typeof error === 'object' && error !== null ? { ...error } : {};
  const message = error instanceof Error ? error.message : String(fields['message'] ?? error);
  const code = fields['code'];
  if (code === undefined && error instanceof Error && error.cause !== undefined)
    return failureOf(error.cause);
  return {
    status: asNumber(code),
    substatus: asNumber(fields['substatus']),
    code: typeof code === 'string' ? code : undefined,
    retryAfterMs: asNumber(fields['retryAfterInMs']),
    message,
    headers: isJsonObject(fields['headers']) ? fields['headers'] : undefined,
  };
}

/** Tells whether an error is the driver's way to say that the caller's signal aborted the request. */
export function isAbort(error: unknown): boolean {
  return error instanceof Error && error.name === 'AbortError';
}

// Statuses after which a write may have taken effect, or may yet: time-outs, moving partitions, failing replicas.
const LOST_STATUSES: ReadonlySet<number> = new Set([408, 410, 449, 500, 502, 503, 504]);
const NEVER_SENT: ReadonlySet<string> = new Set(['ENOTFOUND', 'ECONNREFUSED', 'EAI_AGAIN', 'EHOSTUNREACH']);

// How the identity library says that it has no token: then the driver sends nothing.
const NO_TOKEN: ReadonlySet<string> = new Set([
  'CredentialUnavailableError',
  'AuthenticationError',
  'AggregateAuthenticationError',
  'AuthenticationRequiredError',
]);
const REFUSED_IDENTITY: ReadonlySet<unknown> = new Set([400, 401, 403]);

function isWithoutToken(error: unknown): error is Error {
  return error instanceof Error && NO_TOKEN.has(error.name);
}

function tokenError(error: Error, details: Details): PolyphaseError {
  return 'statusCode' in error && REFUSED_IDENTITY.has(error.statusCode)
    ? new InvalidOptionsError({
        message:
          'Entra ID gives this identity no token for Cosmos DB; check what the credential was made with',
        ...details,
      })
    : new ConnectionError({
        message: 'The credential has no token for Cosmos DB at the moment; nothing was sent, try again',
        ...details,
      });
}

/** Tells whether a failed write may have taken effect, so that it must be settled by reading back. */
export function isOutcomeUnknown(error: unknown): boolean {
  if (isPolyphaseError(error) || isWithoutToken(error)) return false;
  const { status, code } = failureOf(error);
  if (status !== undefined) return LOST_STATUSES.has(status);
  return code === undefined || !NEVER_SENT.has(code);
}

interface Rule {
  readonly status: number;
  readonly substatus?: number;
  readonly make: (failure: CosmosFailure, details: Details) => PolyphaseError;
}

interface Details extends Omit<Where, 'key'> {
  readonly key?: string;
  readonly cause: unknown;
}

const conflict = (_: CosmosFailure, details: Details): PolyphaseError =>
  new TransactionConflictError({
    message: 'Somebody else changed the document meanwhile; nothing was written, run it again',
    ...details,
  });

const unavailable = (failure: CosmosFailure, details: Details): PolyphaseError =>
  new ConnectionError({
    message: `Cosmos DB is not available at the moment (status ${failure.status ?? failure.code ?? 'none'}); try again`,
    ...details,
  });

// The first rule that fits is taken: those with a sub-status come before those without.
const RULES: readonly Rule[] = [
  {
    status: 400,
    make: (failure, details) =>
      /composite index/i.test(failure.message)
        ? new InvalidOptionsError({
            message:
              'The container lacks a composite index for this order; verify(entity) prints the indexing policy that adds it',
            ...details,
          })
        : new StoreError({ message: 'Cosmos DB refused the request as malformed', ...details }),
  },
  {
    status: 401,
    make: (_, details) =>
      new InvalidOptionsError({
        message:
          'Cosmos DB refused the credentials; check endpoint and key (or token), and the clock of this machine',
        ...details,
      }),
  },
  // The write region moved: the driver looks for the new one.
  { status: 403, substatus: 3, make: unavailable },
  { status: 403, substatus: 1008, make: unavailable },
  {
    status: 403,
    substatus: 1014,
    make: (_, details) =>
      new StoreError({
        message: 'The logical partition is full (20 GB); choose a finer partition key',
        ...details,
      }),
  },
  // Tokens are for data alone.
  {
    status: 403,
    substatus: 5300,
    make: (_, details) =>
      new InvalidOptionsError({
        message:
          'Cosmos DB lets no Entra ID identity do this with data-plane access; create and change databases, containers and scripts through Azure Resource Manager, or with a key',
        ...details,
      }),
  },
  {
    status: 403,
    make: (_, details) =>
      new InvalidOptionsError({
        message:
          'Cosmos DB forbids this; grant the identity the role "Cosmos DB Built-in Data Contributor" (or a read-write key), and let the firewall admit this machine',
        ...details,
      }),
  },
  // A replica that has not seen the session's writes yet.
  { status: 404, substatus: 1002, make: unavailable },
  {
    status: 404,
    make: (_, details) =>
      new InvalidOptionsError({
        message:
          'The container (or its database) does not exist; create it (with a key or through Azure Resource Manager: an Entra ID identity cannot), or name another in map',
        ...details,
      }),
  },
  {
    status: 408,
    make: (_, details) => new TimeoutError({ message: 'Cosmos DB did not answer in time', ...details }),
  },
  { status: 409, make: conflict },
  { status: 410, make: unavailable },
  { status: 412, make: conflict },
  {
    status: 413,
    make: (_, details) =>
      new InvalidDataError({ message: 'The request is longer than Cosmos DB accepts (2 MB)', ...details }),
  },
  {
    status: 429,
    make: (failure, details) =>
      new ThrottledError({
        message: 'Cosmos DB asks for less load (request units are used up)',
        retryAfterMs: failure.retryAfterMs ?? 0,
        ...details,
      }),
  },
  { status: 449, make: conflict },
  { status: 500, make: unavailable },
  { status: 502, make: unavailable },
  { status: 503, make: unavailable },
  { status: 504, make: unavailable },
];

const NETWORK = /^(E[A-Z_]+|REQUEST_SEND_ERROR|UND_ERR_\w+)$/;

/** The error of the taxonomy that a driver's error stands for; ours pass through. */
export function cosmosError(error: unknown, where: Where): PolyphaseError {
  if (isPolyphaseError(error)) return error;
  const failure = failureOf(error);
  const { key, ...rest } = where;
  const details: Details = { ...rest, ...(key === undefined ? {} : { key }), cause: error };
  if (isWithoutToken(error)) return tokenError(error, details);
  const rule = RULES.find(
    (it) =>
      it.status === failure.status && (it.substatus === undefined || it.substatus === failure.substatus),
  );
  if (rule) return rule.make(failure, details);
  if (failure.code === 'TimeoutError')
    return new TimeoutError({ message: 'Cosmos DB did not answer in time', ...details });
  if (failure.code !== undefined && NETWORK.test(failure.code))
    return new ConnectionError({ message: `Cosmos DB cannot be reached (${failure.code})`, ...details });
  return new StoreError({ message: 'Cosmos DB failed in an unexpected way', ...details });
}
