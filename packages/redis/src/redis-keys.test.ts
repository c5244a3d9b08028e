import { InvalidDataError, StoreError } from '@polyphase/core';
import { expect, test } from 'vitest';
import { liveText, parseLive, redisKey, versionText } from './redis-keys.ts';

const version = { term: 3, counter: Number.MAX_SAFE_INTEGER };

test('a live entry survives the way through text', () => {
  for (const payload of [undefined, '', '|', 'V|:é\u{1f600}\n', '{"a":1}'])
    expect(parseLive(liveText({ version, payload }))).toEqual({ version, payload });
});

test('absence is a state of its own, not an empty value', () => {
  expect(liveText({ version, payload: undefined })[0]).toBe('N');
  expect(liveText({ version, payload: '' })[0]).toBe('V');
});

test('text of any other state is no entry', () => {
  for (const state of ['L', 'G', 'T', 'x']) expect(parseLive(`${state}${'0'.repeat(32)}:|p`)).toBeUndefined();
  expect(parseLive('')).toBeUndefined();
});

test('a live text that is not ours is refused', () => {
  for (const text of [
    'V',
    'Value',
    'Value of a foreign kind, long enough to hold | a bar',
    `V${'0'.repeat(32)}:`,
  ])
    expect(() => parseLive(text)).toThrow(StoreError);
});

test('versions order as text: by term, then by counter', () => {
  const rising = [
    { term: 0, counter: 0 },
    { term: 0, counter: 9 },
    { term: 0, counter: 10 },
    { term: 2, counter: Number.MAX_SAFE_INTEGER - 1 },
    { term: 2, counter: Number.MAX_SAFE_INTEGER },
    { term: 10, counter: 1 },
    { term: Number.MAX_SAFE_INTEGER, counter: 0 },
  ].map(versionText);
  expect(rising.toSorted()).toEqual(rising);
  expect(new Set(rising.map((text) => text.length))).toEqual(new Set([32]));
});

test.each([-1, 0.5, Number.NaN, 2 ** 53])('a version of %s is refused', (part) => {
  expect(() => versionText({ term: part, counter: 0 })).toThrow(InvalidDataError);
  expect(() => versionText({ term: 0, counter: part })).toThrow(InvalidDataError);
});

test('prefix, namespace and key stand in the Redis key', () => {
  expect(redisKey('app:', 'accounts', '3:["t"] a')).toBe('app:accounts:3:["t"] a');
});
