import { describe, expect, it } from 'vitest';
import { ConflictError, NotFoundError } from '../errors.ts';
import { ContractError, equal, ok, present, rejects } from './assert.ts';
import { bindContract, type Capability, type ContractCase } from './contract.ts';

function bound(cases: readonly ContractCase<string>[], capabilities: readonly Capability[] = []) {
  const tests = new Map<string, () => Promise<void>>();
  const closed: string[] = [];
  let made = 0;
  bindContract(cases, {
    capabilities,
    it: (name, run) => tests.set(name, run),
    subject: async () => {
      made += 1;
      const store = `store ${made}`;
      return {
        store,
        close: async () => {
          closed.push(store);
        },
      };
    },
  });
  return { tests, closed };
}

describe('bindContract', () => {
  it('makes no test of a case that needs more than was declared', () => {
    const cases: readonly ContractCase<string>[] = [
      { name: 'plain', requires: [], run: async () => undefined },
      { name: 'both', requires: ['etag', 'base'], run: async () => undefined },
    ];
    expect([...bound(cases).tests.keys()]).toEqual(['plain']);
    expect([...bound(cases, ['etag']).tests.keys()]).toEqual(['plain']);
    expect([...bound(cases, ['base', 'etag']).tests.keys()]).toEqual(['plain', 'both']);
  });

  it('gives each case a subject of its own, and closes it whatever happens', async () => {
    const seen: string[] = [];
    const failure = new Error('broken');
    const { tests, closed } = bound([
      { name: 'passes', requires: [], run: async ({ store }) => void seen.push(store) },
      {
        name: 'fails',
        requires: [],
        run: async () => {
          throw failure;
        },
      },
    ]);
    await tests.get('passes')?.();
    await expect(tests.get('fails')?.()).rejects.toBe(failure);
    expect([seen, closed]).toEqual([['store 1'], ['store 1', 'store 2']]);
  });
});

describe('what cases are checked with', () => {
  it('equal compares JSON, and tells both sides', () => {
    equal({ b: 1, a: undefined }, { b: 1 }, 'fields that are undefined');
    expect(() => equal({ a: 1 }, { a: '1' }, 'number')).toThrow('number: expected {"a":"1"}, got {"a":1}');
    expect(() => equal(undefined, null, 'nothing')).toThrow(ContractError);
    expect(() => equal([1, 2], [2, 1], 'order')).toThrow(ContractError);
  });

  it('ok and present want what they say', () => {
    expect(() => ok([].length > 0, 'wrong')).toThrow('wrong');
    expect(present(0, 'zero')).toBe(0);
    expect(() => present(undefined, 'value')).toThrow('value: there is nothing');
  });

  it('rejects wants the code', async () => {
    const error = new ConflictError({ message: 'changed' });
    expect(await rejects(Promise.reject(error), 'conflict', 'x')).toBe(error);
    await expect(rejects(Promise.resolve(), 'conflict', 'x')).rejects.toThrow('but it succeeded');
    const other = new NotFoundError({ message: 'gone' });
    await expect(rejects(Promise.reject(other), 'conflict', 'x')).rejects.toThrow(
      'expected conflict, got NotFoundError',
    );
  });
});
