import {
  ConnectionError,
  InvalidOptionsError,
  isPolyphaseError,
  type PolyphaseError,
  StoreError,
  TimeoutError,
} from '@polyphase/core';

// First words of error replies, as Redis documents them, and what the caller can do about each.
const REPLIES: ReadonlyMap<string, (cause: unknown, operation: string) => PolyphaseError> = new Map([
  ['LOADING', unreachable],
  ['MASTERDOWN', moving],
  ['CLUSTERDOWN', moving],
  ['TRYAGAIN', moving],
  ['READONLY', moving],
  ['NOREPLICAS', moving],
  // A client of a cluster follows these itself.
  ['MOVED', alone],
  ['ASK', alone],
  ['BUSY', late],
  ['NOAUTH', refused],
  ['WRONGPASS', refused],
  ['NOPERM', refused],
  ['OOM', full],
  ['WRONGTYPE', foreign],
]);

const NETWORK = /^(ECONN|EPIPE|ENOTFOUND|ETIMEDOUT|EHOST|ENET|EAI_|ENOENT|EADDR|CERT_|ERR_TLS|ERR_SSL)/;
// ioredis has no codes for these; the texts are the same in versions 5 and 6.
const DISCONNECTED =
  /^(Connection is (closed|aborted|discarded)|Stream isn't writeable|Failed to refresh slots cache|Reached the max retries per request limit|None of startup nodes is available|Cluster is |Cluster isn't ready|Too many Cluster redirections|All sentinels are unreachable)/;

/**
 * What a failure of the driver means to the caller, with the driver's error as cause. An error of ours passes as it is; what has
 * no name here is a `StoreError`.
 */
export function mapRedisError(error: unknown, operation: string): PolyphaseError {
  if (isPolyphaseError(error)) return error;
  const message = error instanceof Error ? error.message : String(error);
  const reply = REPLIES.get(/^[A-Z]+/.exec(message)?.[0] ?? '');
  if (reply) return reply(error, operation);
  if (message === 'Command timed out') return late(error, operation);
  if (DISCONNECTED.test(message) || NETWORK.test(codeOf(error))) return unreachable(error, operation);
  return new StoreError({ message: 'Redis failed; its error is the cause', operation, cause: error });
}

/** Tells whether an error reply says that Redis does not know a script by its digest (it restarted, or scripts were flushed). */
export function isNoScript(error: unknown): boolean {
  return error instanceof Error && error.message.startsWith('NOSCRIPT');
}

function codeOf(error: unknown): string {
  return typeof error === 'object' && error !== null && 'code' in error ? String(error.code) : '';
}

function unreachable(cause: unknown, operation: string): PolyphaseError {
  return new ConnectionError({ message: 'Redis cannot be reached', operation, cause });
}

function moving(cause: unknown, operation: string): PolyphaseError {
  return new ConnectionError({
    message: 'Redis is between two masters, or lacks replicas or slots; try again',
    operation,
    cause,
  });
}

function alone(cause: unknown, operation: string): PolyphaseError {
  return new InvalidOptionsError({
    message: 'This Redis is one server of a cluster; make the client with new Cluster([{ host, port }])',
    operation,
    cause,
  });
}

function late(cause: unknown, operation: string): PolyphaseError {
  return new TimeoutError({ message: 'Redis did not answer in time', operation, cause });
}

function refused(cause: unknown, operation: string): PolyphaseError {
  return new InvalidOptionsError({
    message:
      'Redis refuses this user; mend the credentials, or allow GET, GETRANGE, SET, PTTL, TIME, EVAL and EVALSHA (on a cluster, what ioredis itself asks too: CLUSTER SLOTS and CLUSTER INFO)',
    operation,
    cause,
  });
}

function full(cause: unknown, operation: string): PolyphaseError {
  return new StoreError({
    message: 'Redis is out of memory; raise maxmemory, or choose an eviction policy such as allkeys-lru',
    operation,
    cause,
  });
}

function foreign(cause: unknown, operation: string): PolyphaseError {
  return new StoreError({
    message: 'A cache key holds something else than text; give the cache a prefix of its own',
    operation,
    cause,
  });
}
