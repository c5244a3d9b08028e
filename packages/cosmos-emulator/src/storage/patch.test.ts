import { describe, expect, it } from 'vitest';
import type { Json } from '../json.ts';
import { applyPatch, parsePatch } from './patch.ts';

const patched = (document: Record<string, Json>, ...operations: Json[]) =>
  applyPatch(document, operations, ['/pk/sub']);

describe('applyPatch', () => {
  it('moves a value, also into an array', () => {
    const moved = patched({ a: { b: 1 }, list: [2] }, { op: 'move', from: '/a/b', path: '/list/0' });
    expect(moved).toEqual({ a: {}, list: [1, 2] });
    expect(() => patched({ a: { b: 1 } }, { op: 'move', from: '/a', path: '/a/b' })).toThrow('own child');
    expect(() => patched({}, { op: 'move', from: '/x', path: '/y' })).toThrow(
      'Node(x) to be moved is absent',
    );
  });

  it('leaves the document itself alone', () => {
    const document = { id: '1', a: { b: [1] } };
    patched(document, { op: 'add', path: '/a/b/-', value: 2 });
    expect(document).toEqual({ id: '1', a: { b: [1] } });
  });

  it('reads escaped names, and treats __proto__ as a name', () => {
    expect(patched({}, { op: 'set', path: '/a~1b~0c', value: 1 })).toEqual({ 'a/b~c': 1 });
    const result = patched({}, { op: 'set', path: '/__proto__', value: { polluted: true } });
    expect(Object.getPrototypeOf(result)).toBe(Object.prototype);
    expect(JSON.stringify(result)).toBe('{"__proto__":{"polluted":true}}');
    expect(() => patched({}, { op: 'set', path: '/__proto__/polluted', value: true })).toThrow(
      "no path found beyond: '__proto__'",
    );
  });

  it.each<[string, Json]>([
    ['an index past the end', { op: 'add', path: '/list/9', value: 1 }],
    ['a missing value', { op: 'set', path: '/x' }],
    ['a step through a scalar', { op: 'set', path: '/n/x', value: 1 }],
    ['an increment of a text', { op: 'incr', path: '/text', value: 1 }],
    ['an unknown operation', { op: 'copy', path: '/x', value: 1 }],
    ['the partition key', { op: 'set', path: '/pk/sub', value: 1 }],
    ['what holds the partition key', { op: 'remove', path: '/pk' }],
    ['a move of the id', { op: 'move', from: '/id', path: '/x' }],
    ['no path', { op: 'set', value: 1 }],
  ])('refuses %s', (_name, operation) => {
    const document = { id: '1', list: [1], n: 1, text: 'a', pk: { sub: 'k' } };
    expect(() => patched(document, operation)).toThrow(expect.objectContaining({ status: 400 }));
  });
});

describe('a refusal', () => {
  const parents = (verb: string): string =>
    `${verb} Operation can only create a child object of an existing node(array or object) and cannot create path recursively, no path found beyond: 'x'.`;

  it.each<[Json, string]>([
    [
      { op: 'add', path: '/list/9', value: 1 },
      'For Operation(2): Index(9) to operate on is out of array bounds.',
    ],
    [{ op: 'remove', path: '/list/1' }, 'For Operation(2): Index(1) to operate on is out of array bounds.'],
    [{ op: 'replace', path: '/x', value: 1 }, 'For Operation(2): Node(x) to be replaced is absent.'],
    [
      { op: 'remove', path: '/o/x' },
      'For Operation(2): Node(o/x) to be removed is absent. Note: it might also',
    ],
    [{ op: 'incr', path: '/text', value: 1 }, 'For Operation(2): Node(text) is not a number.'],
    [{ op: 'add', path: '/x/y', value: 1 }, `For Operation(2): ${parents('Add')}`],
    [{ op: 'set', path: '/x/y', value: 1 }, `For Operation(2): ${parents('Given')}`],
    [{ op: 'set', path: '/_ts', value: 1 }, 'Invalid patch request: Cannot patch system property /_ts.'],
    [{ op: 'copy', path: '/x', value: 1 }, 'Invalid patch request: check syntax of patch specification.'],
  ])('of %j is worded as the service words it', (operation, message) => {
    const document = { list: [1], o: {}, text: 'a' };
    expect(() => patched(document, { op: 'set', path: '/n', value: 1 }, operation)).toThrow(message);
  });
});

describe('parsePatch', () => {
  it('takes a list, or a list with a condition', () => {
    const operations = [{ op: 'set', path: '/a', value: 1 }];
    expect(parsePatch(operations)).toEqual({ operations, condition: undefined });
    expect(parsePatch({ operations, condition: 'FROM c' })).toEqual({ operations, condition: 'FROM c' });
    expect(() => parsePatch([])).toThrow('check syntax of patch specification');
    expect(() => parsePatch(undefined)).toThrow('check syntax of patch specification');
  });
});
