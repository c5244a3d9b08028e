import { ErrorResponse } from '@azure/cosmos';
import { ConflictError } from '@polyphase/core';
import { describe, expect, it } from 'vitest';
import { cosmosError, failureOf, isAbort, isOutcomeUnknown } from './cosmos-errors.ts';

const where = { operation: 'replace', entity: 'accounts', key: 'a1' };

function response(code: number, substatus?: number, message = 'no', retryAfterInMs?: number): ErrorResponse {
  return Object.assign(new ErrorResponse(message), {
    code,
    ...(substatus === undefined ? {} : { substatus }),
    ...(retryAfterInMs === undefined ? {} : { retryAfterInMs }),
  });
}

const identity = (name: string, statusCode?: number): Error =>
  Object.assign(new Error('no token'), { name }, statusCode === undefined ? {} : { statusCode });
const driver = (code: string): Error => Object.assign(new Error('broken'), { code });

describe('cosmosError', () => {
  it.each([
    [response(400), 'store', false],
    [
      response(400, undefined, 'The order by query does not have a corresponding composite index'),
      'invalid-options',
      false,
    ],
    [response(401), 'invalid-options', false],
    [response(403), 'invalid-options', false],
    [response(403, 3), 'connection', true],
    [response(403, 1008), 'connection', true],
    [response(403, 1014), 'store', false],
    [response(403, 5300), 'invalid-options', false],
    [response(403, 5301), 'invalid-options', false],
    [identity('CredentialUnavailableError'), 'connection', true],
    [identity('AggregateAuthenticationError'), 'connection', true],
    [identity('AuthenticationRequiredError'), 'connection', true],
    [identity('AuthenticationError', 503), 'connection', true],
    [identity('AuthenticationError', 401), 'invalid-options', false],
    [response(404), 'invalid-options', false],
    [response(404, 1003), 'invalid-options', false],
    [response(404, 1002), 'connection', true],
    [response(408), 'timeout', true],
    [response(409), 'transaction-conflict', true],
    [response(410), 'connection', true],
    [response(410, 1002), 'connection', true],
    [response(412), 'transaction-conflict', true],
    [response(413), 'invalid-data', false],
    [response(418), 'store', false],
    [response(429), 'throttled', true],
    [response(449), 'transaction-conflict', true],
    [response(500), 'connection', true],
    [response(502), 'connection', true],
    [response(503), 'connection', true],
    [response(504), 'connection', true],
    [driver('ECONNRESET'), 'connection', true],
    [driver('EPIPE'), 'connection', true],
    [driver('ENOTFOUND'), 'connection', true],
    [driver('REQUEST_SEND_ERROR'), 'connection', true],
    [driver('UND_ERR_SOCKET'), 'connection', true],
    [driver('TimeoutError'), 'timeout', true],
    [new TypeError('a defect'), 'store', false],
    ['not even an error', 'store', false],
  ] as const)('maps %o to %s', (error, code, retryable) => {
    const mapped = cosmosError(error, where);
    expect([mapped.code, mapped.retryable]).toEqual([code, retryable]);
    expect(mapped.message).toContain('replace accounts a1');
    expect(mapped.cause).toBe(error);
  });

  it('passes on how long the service asks to wait', () => {
    expect(cosmosError(response(429, 3200, 'slow down', 250), where)).toMatchObject({ retryAfterMs: 250 });
  });

  it('says nothing of what the driver quotes', () => {
    const error = response(409, undefined, 'Unique index constraint violation: email=secret@example.org');
    expect(cosmosError(error, where).message).not.toContain('secret');
  });

  it('lets our own errors through', () => {
    const error = new ConflictError({ message: 'changed' });
    expect(cosmosError(error, where)).toBe(error);
  });

  it('finds the real error in the cause of a failed batch', () => {
    const error = new Error('Batch request error: no', { cause: response(503, 20) });
    expect(failureOf(error)).toMatchObject({ status: 503, substatus: 20 });
    expect(cosmosError(error, where).code).toBe('connection');
  });
});

describe('isOutcomeUnknown', () => {
  it.each([408, 410, 449, 500, 502, 503, 504])('is true of status %i', (status) => {
    expect(isOutcomeUnknown(response(status))).toBe(true);
  });

  it.each([400, 401, 403, 404, 409, 412, 413, 429])(
    'is false of status %i, which says that nothing was done',
    (status) => {
      expect(isOutcomeUnknown(response(status))).toBe(false);
    },
  );

  it.each(['ECONNRESET', 'EPIPE', 'TimeoutError', 'REQUEST_SEND_ERROR'])('is true of %s', (code) => {
    expect(isOutcomeUnknown(driver(code))).toBe(true);
  });

  it.each(['ENOTFOUND', 'ECONNREFUSED', 'EAI_AGAIN'])('is false of %s: nothing was sent', (code) => {
    expect(isOutcomeUnknown(driver(code))).toBe(false);
  });

  it('is false where there was no token to send anything with', () => {
    expect(isOutcomeUnknown(identity('CredentialUnavailableError'))).toBe(false);
  });

  it('is true where nothing is known of the failure', () => {
    expect(isOutcomeUnknown(new Error('?'))).toBe(true);
  });
});

describe('isAbort', () => {
  it('knows the driver’s abort from other errors', () => {
    expect(isAbort(Object.assign(new Error('stop'), { name: 'AbortError' }))).toBe(true);
    expect(isAbort(driver('ECONNRESET'))).toBe(false);
  });
});
