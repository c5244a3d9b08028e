import { FencedError } from '@polyphase/core';
import { expect, it } from 'vitest';
import { breaksConnection, toPolyphaseError } from './postgres-errors.ts';

const place = { operation: 'upsert', entity: 'notes', key: 'k' };
const server = (code: string, more: object = {}): Error =>
  Object.assign(new Error('text with a secret value'), { code, severity: 'ERROR', ...more });

it.for([
  ['23505', 'already-exists'],
  ['23502', 'invalid-data'],
  ['23503', 'invalid-data'],
  ['23514', 'invalid-data'],
  ['23P01', 'invalid-data'],
  ['22021', 'invalid-data'],
  ['22P05', 'invalid-data'],
  ['22003', 'invalid-data'],
  ['54000', 'invalid-data'],
  ['40001', 'transaction-conflict'],
  ['40P01', 'transaction-conflict'],
  ['55P03', 'transaction-conflict'],
  ['25P02', 'transaction-conflict'],
  ['26000', 'transaction-conflict'],
  ['57014', 'timeout'],
  ['25P04', 'timeout'],
  ['57P01', 'connection'],
  ['57P02', 'connection'],
  ['57P03', 'connection'],
  ['57P05', 'connection'],
  ['25P03', 'connection'],
  ['25006', 'connection'],
  ['08006', 'connection'],
  ['08P01', 'connection'],
  ['53300', 'throttled'],
  ['53100', 'throttled'],
  ['28P01', 'invalid-options'],
  ['28000', 'invalid-options'],
  ['3D000', 'invalid-options'],
  ['42501', 'invalid-options'],
  ['42P01', 'invalid-options'],
  ['3F000', 'invalid-options'],
  ['42703', 'invalid-options'],
  ['0A000', 'store'],
  ['42601', 'store'],
  ['P0001', 'store'],
  ['XX000', 'store'],
])('SQLSTATE %s is %s', ([code, expected]) => {
  const error = toPolyphaseError(server(code ?? ''), place);
  expect(error).toMatchObject({ code: expected, ...place });
  expect(error.message).not.toContain('secret');
  expect(error.cause).toBeInstanceOf(Error);
});

it('a plan that does not fit the table any more is no lack of support', () => {
  const error = toPolyphaseError(server('0A000', { routine: 'RevalidateCachedQuery' }), place);
  expect(error.code).toBe('transaction-conflict');
});

it('a constraint is named', () => {
  expect(toPolyphaseError(server('23503', { constraint: 'notes_owner' }), place).message).toContain(
    'notes_owner',
  );
});

it.for([
  ['connect ECONNREFUSED 127.0.0.1:1', 'connection'],
  ['read ECONNRESET', 'connection'],
  ['Connection terminated unexpectedly', 'connection'],
  ['timeout exceeded when trying to connect', 'timeout'],
  ['Cannot use a pool after calling end on the pool', 'invalid-options'],
  ['SASL: SCRAM-SERVER-FIRST-MESSAGE: client password must be a string', 'invalid-options'],
  ['The server does not support SSL connections', 'invalid-options'],
])('"%s" is %s', ([message, expected]) => {
  expect(toPolyphaseError(new Error(message ?? ''), place).code).toBe(expected);
});

it('errors of this SDK pass as they are', () => {
  const error = new FencedError({ message: 'x' });
  expect(toPolyphaseError(error, place)).toBe(error);
});

it('a connection is broken by what the server ends it with, and by everything that the server did not say', () => {
  expect(breaksConnection(server('23505'))).toBe(false);
  expect(breaksConnection(server('57P01', { severity: 'FATAL' }))).toBe(true);
  expect(breaksConnection(server('08P01'))).toBe(true);
  expect(breaksConnection(Object.assign(new Error('EPIPE'), { code: 'EPIPE' }))).toBe(true);
  expect(breaksConnection('odd')).toBe(true);
});
