import { describe, expect, it } from 'vitest';
import * as errors from './errors.ts';

const details = { message: 'It failed', operation: 'create', entity: 'accounts', key: 'a1' };
const all: readonly errors.PolyphaseError[] = [
  new errors.InvalidOptionsError(details),
  new errors.InvalidDataError(details),
  new errors.NotFoundError(details),
  new errors.AlreadyExistsError(details),
  new errors.ConflictError(details),
  new errors.ConnectionError(details),
  new errors.TimeoutError(details),
  new errors.ThrottledError({ ...details, retryAfterMs: 5 }),
  new errors.TransactionConflictError(details),
  new errors.UnknownOutcomeError({ ...details, operationId: 'op' }),
  new errors.FencedError(details),
  new errors.SealedError(details),
  new errors.UnsupportedError(details),
  new errors.StoreError(details),
];

describe('errors', () => {
  it('have a name, a code and a place of their own', () => {
    expect(new Set(all.map((error) => error.code)).size).toBe(all.length);
    for (const error of all) {
      expect(error.name).toMatch(/Error$/);
      expect(error.message).toBe('It failed (create accounts a1)');
      expect(error).toMatchObject({ operation: 'create', entity: 'accounts', key: 'a1' });
      expect(errors.isPolyphaseError(error)).toBe(true);
    }
  });

  it('say whether to try again', () => {
    const retryable = all.filter((error) => error.retryable).map((error) => error.code);
    expect(retryable.toSorted()).toEqual(
      ['connection', 'sealed', 'throttled', 'timeout', 'transaction-conflict', 'unknown-outcome'].toSorted(),
    );
    const transient = all.filter(errors.isTransientError).map((error) => error.code);
    expect(transient).toEqual(['connection', 'timeout', 'throttled', 'transaction-conflict']);
  });

  it('are recognised across copies of the package, by their marker and code', () => {
    const foreign = Object.assign(new Error('x'), {
      [Symbol.for('polyphase.error')]: true,
      code: 'conflict',
    });
    expect(errors.ConflictError.isInstance(foreign)).toBe(true);
    expect(errors.NotFoundError.isInstance(foreign)).toBe(false);
    const driver = Object.assign(new Error('x'), { code: 'conflict' });
    expect(errors.ConflictError.isInstance(driver)).toBe(false);
    for (const value of [undefined, null, 'conflict', 1]) expect(errors.isPolyphaseError(value)).toBe(false);
  });

  it('keep the cause, and list every problem and issue', () => {
    const cause = new Error('socket');
    expect(new errors.ConnectionError({ ...details, cause }).cause).toBe(cause);
    expect(new errors.InvalidOptionsError({ message: 'Bad', problems: ['one', 'two'] }).message).toBe(
      'Bad:\n  - one\n  - two',
    );
    const issues = [
      { path: ['a', 0], message: 'wrong' },
      { path: [], message: 'worse' },
    ];
    expect(new errors.InvalidDataError({ message: 'Bad', issues }).message).toBe(
      'Bad: a.0: wrong; (root): worse',
    );
  });
});
