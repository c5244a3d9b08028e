import { describe, expect, it } from 'vitest';
import { InvalidDataError } from './errors.ts';
import { compareVersions, decodeVersion, encodeVersion, firstCounter, UNSTAMPED } from './version.ts';

describe('versions', () => {
  it('are compared by term, then by counter', () => {
    const order = [
      { term: 0, counter: 0 },
      { term: 1, counter: 5 },
      { term: 1, counter: 6 },
      { term: 2, counter: 1 },
    ];
    expect(order.toReversed().toSorted(compareVersions)).toEqual(order);
    expect(compareVersions({ term: 2, counter: 3 }, { term: 2, counter: 3 })).toBe(0);
  });

  it('come back from their text', () => {
    const version = { term: 3, counter: firstCounter(Date.UTC(2100, 0, 1)) + 1 };
    expect(decodeVersion(encodeVersion(version, '"etag"'))).toEqual(version);
    expect(Number.isSafeInteger(version.counter)).toBe(true);
  });

  it('of a document without a stamp carry its ETag, whatever is in it', () => {
    const text = encodeVersion(UNSTAMPED, '"0~x.1"');
    expect(decodeVersion(text)).toEqual({ ...UNSTAMPED, etag: '"0~x.1"' });
    expect(encodeVersion(UNSTAMPED, '"other"')).not.toBe(text);
    expect(JSON.parse(JSON.stringify(text))).toBe(text);
  });

  it.each(['', '1', 'a.b', '1.2.3', '-1.2', '1.5~x y\n'.slice(0, 2), `1.${'9'.repeat(17)}`])(
    'refuse %j',
    (text) => {
      expect(() => decodeVersion(text)).toThrow(InvalidDataError);
    },
  );
});
