import {
  AlreadyExistsError,
  ConnectionError,
  type ErrorDetails,
  InvalidDataError,
  InvalidOptionsError,
  isPolyphaseError,
  type PolyphaseError,
  StoreError,
  ThrottledError,
  TimeoutError,
  TransactionConflictError,
} from '@polyphase/core';

/** What an error of the driver is about: shown in the message. Never values. */
export type ErrorPlace = Pick<ErrorDetails, 'operation' | 'entity' | 'key'>;

interface ServerError {
  readonly code: string;
  readonly severity: string | undefined;
  readonly constraint: string | undefined;
  readonly routine: string | undefined;
}

type Maker = (details: Omit<ErrorDetails, 'message'>, server: ServerError) => PolyphaseError;

const named = ({ constraint }: ServerError): string => (constraint === undefined ? '' : ` (${constraint})`);
const connection =
  (message: string): Maker =>
  (it) =>
    new ConnectionError({ ...it, message });
const options =
  (message: string): Maker =>
  (it) =>
    new InvalidOptionsError({ ...it, message });
const conflict =
  (message: string): Maker =>
  (it) =>
    new TransactionConflictError({ ...it, message });
const data =
  (message: string): Maker =>
  (it, server) =>
    new InvalidDataError({ ...it, message: `${message}${named(server)}` });

const LOST = 'The connection to PostgreSQL was lost; nothing was written, try again';
const busy =
  (message: string): Maker =>
  (it) =>
    new ThrottledError({ ...it, message, retryAfterMs: 1_000 });

// By SQLSTATE: the whole code, else its class (the first two characters).
const MAKERS: Readonly<Record<string, Maker>> = {
  '23505': (it, server) =>
    new AlreadyExistsError({ ...it, message: `Another record has the same unique value${named(server)}` }),
  '23': data('A constraint of the table refuses the value'),
  '22': data('PostgreSQL cannot store the value'),
  '54000': data(
    'The key or an indexed value is longer than an index of PostgreSQL can hold (about 2,700 bytes)',
  ),
  '40': conflict('Another transaction stood in the way; nothing was written, run it again'),
  '55P03': conflict('A lock could not be had in time; nothing was written, try again'),
  '25P02': conflict('An earlier statement of the transaction failed; nothing was written, run it again'),
  '26000': conflict('A prepared statement was gone; nothing was written, try again'),
  '0A000': (it, server) =>
    server.routine === 'RevalidateCachedQuery'
      ? new TransactionConflictError({
          ...it,
          message: 'A prepared statement did not fit the table any more; nothing was written, try again',
        })
      : new StoreError({ ...it, message: 'PostgreSQL does not support what was asked' }),
  '57014': (it) =>
    new TimeoutError({ ...it, message: 'PostgreSQL cancelled the statement; nothing was written' }),
  '25P04': (it) => new TimeoutError({ ...it, message: 'The transaction took too long; nothing was written' }),
  '25006': connection('This PostgreSQL server is read-only (a standby); nothing was written, try again'),
  '57P': connection(LOST),
  '25P03': connection(LOST),
  '08': connection(LOST),
  '53100': busy('The disk of PostgreSQL is full; nothing was written, make room and try again'),
  '53': busy('PostgreSQL is short of connections or memory; nothing was written, wait and try again'),
  '28': options('PostgreSQL refuses the user or the password; correct the pool’s credentials'),
  '3D000': options('The database does not exist; correct the pool’s database'),
  '42501': options(
    'The user of the pool lacks a privilege; grant it usage, select, insert, update and delete',
  ),
  '42P01': options('A table is missing; apply the migrations (prepare, or postgresMigrations)'),
  '3F000': options('A schema is missing; apply the migrations (prepare, or postgresMigrations)'),
  '42703': options('A column is missing; apply the migrations (prepare, or postgresMigrations)'),
};

// Codes of Node.js for certificates that were looked at and refused.
const UNTRUSTED = /^(CERT_|ERR_TLS_CERT|UNABLE_TO_|SELF_SIGNED_|DEPTH_ZERO_|INVALID_CA)/;

/** What is said when calls wait in line for connections that others have. */
export const exhausted = (within: string): string =>
  `No connection of the pool became free ${within}; nothing was written. Try again, or raise the pool's max; calls inside a unit of work go through the unit, which has a connection`;

/** What the server itself said, if it did: an error with a SQLSTATE. A lost connection has none. */
export function serverError(error: unknown): ServerError | undefined {
  if (typeof error !== 'object' || error === null || !('code' in error) || !('severity' in error))
    return undefined;
  const { code } = error;
  if (typeof code !== 'string' || !/^[0-9A-Z]{5}$/.test(code)) return undefined;
  const text = (value: unknown): string | undefined => (typeof value === 'string' ? value : undefined);
  return {
    code,
    severity: text(error.severity),
    constraint: 'constraint' in error ? text(error.constraint) : undefined,
    routine: 'routine' in error ? text(error.routine) : undefined,
  };
}

/** Whether a connection that saw this error can be used no more. */
export function breaksConnection(error: unknown): boolean {
  const server = serverError(error);
  if (!server) return true;
  return server.severity === 'FATAL' || server.severity === 'PANIC' || /^(08|57P)/.test(server.code);
}

/**
 * The error of this SDK that stands for one of the driver's. It says that nothing was written where it says so, so it must not be
 * asked about a COMMIT whose reply was lost.
 */
export function toPolyphaseError(error: unknown, place: ErrorPlace): PolyphaseError {
  if (isPolyphaseError(error)) return error;
  const details = { ...place, cause: error };
  const server = serverError(error);
  if (server) {
    const maker = MAKERS[server.code] ?? MAKERS[server.code.slice(0, 3)] ?? MAKERS[server.code.slice(0, 2)];
    return maker
      ? maker(details, server)
      : new StoreError({ ...details, message: `PostgreSQL failed with SQLSTATE ${server.code}` });
  }
  const text = error instanceof Error ? error.message : '';
  if (/after calling end on the pool/.test(text))
    return new InvalidOptionsError({
      ...details,
      message: 'The pool was closed; give the store a pool that stays open for as long as the store is used',
    });
  if (text.startsWith('timeout exceeded when trying to connect'))
    return new TimeoutError({ ...details, message: exhausted('in time') });
  if (error instanceof Error && 'code' in error && UNTRUSTED.test(String(error.code)))
    return new InvalidOptionsError({
      ...details,
      message:
        'The pool does not trust the certificate of PostgreSQL; give it the authority (ssl.ca), or the name that it stands for',
    });
  if (/password must be a string|does not support SSL|SASL/.test(text))
    return new InvalidOptionsError({
      ...details,
      message: 'PostgreSQL and the pool cannot agree on how to connect; correct password and ssl of the pool',
    });
  return new ConnectionError({
    ...details,
    message: 'PostgreSQL cannot be reached; nothing was written, try again',
  });
}
