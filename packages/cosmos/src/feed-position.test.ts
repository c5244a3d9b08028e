import { describe, expect, it } from 'vitest';
import { hasPassed, parseMarker } from './feed-marker.ts';
import {
  boundsOf,
  clipPosition,
  formatPosition,
  parsePosition,
  rangeId,
  sessionSequence,
  tokenSequence,
} from './feed-position.ts';

const part = (min: string, max: string, token: string) => ({ min, max, token });

describe('positions', () => {
  it('are the driver’s own continuation, and come back as they were', () => {
    const text =
      '{"rid":"abc=","Continuation":[{"minInclusive":"","maxExclusive":"7F","continuationToken":"\\"12\\""}]}';
    expect(parsePosition(text)).toEqual({ rid: 'abc=', parts: [part('', '7F', '"12"')] });
    expect(formatPosition(parsePosition(text))).toBe(text);
  });

  it.each(['', 'null', '{}', '{"rid":"x","Continuation":[5]}', '{"rid":1,"Continuation":[]}'])(
    'refuse %j',
    (text) => {
      expect(() => parsePosition(text)).toThrow(/position/);
    },
  );
});

describe('ranges', () => {
  it('are named by their bounds', () => {
    expect(boundsOf(rangeId('', '3F'))).toEqual({ min: '', max: '3F' });
    expect(boundsOf('05C1-FF')).toEqual({ min: '05C1', max: 'FF' });
    expect(() => boundsOf('range-1')).toThrow(/range/);
  });
});

describe('clipPosition', () => {
  const whole = [part('', 'FF', '"9"')];

  it('gives each half of a split where the whole was', () => {
    expect(clipPosition(whole, '-7F')).toEqual([part('', '7F', '"9"')]);
    expect(clipPosition(whole, '7F-FF')).toEqual([part('7F', 'FF', '"9"')]);
  });

  it('keeps the parts of a range that was split under its reader', () => {
    const parts = [part('7F', 'FF', '"4"'), part('', '7F', '"9"')];
    expect(clipPosition(parts, '-FF')).toEqual([part('', '7F', '"9"'), part('7F', 'FF', '"4"')]);
  });

  it('starts from the beginning where nothing is known', () => {
    expect(clipPosition([], '3F-7F')).toEqual([part('3F', '7F', '')]);
    expect(clipPosition([part('3F', '5F', '"2"')], '-7F')).toEqual([
      part('', '3F', ''),
      part('3F', '5F', '"2"'),
      part('5F', '7F', ''),
    ]);
  });
});

describe('sequence numbers', () => {
  it.each([
    ['"42"', 42],
    ['', 0],
  ])('of the token %j is %i', (token, sequence) => {
    expect(tokenSequence(token)).toBe(sequence);
  });

  it.each([
    ['0:-1#42', 42],
    ['3:1#99#4=7#5=8', 99],
    ['garbage', undefined],
    [undefined, undefined],
  ])('of the session token %j is %j', (token, sequence) => {
    expect(sessionSequence(token)).toBe(sequence);
  });
});

describe('hasPassed', () => {
  const marker = { rid: 'r', marks: [{ min: '7F', max: 'FF', sequence: 5 }] };
  const at = (...parts: ReturnType<typeof part>[]) => ({ rid: 'r', parts });

  it('wants the number of each part that the marked partition overlaps', () => {
    expect(hasPassed(at(part('', 'FF', '"5"')), marker)).toBe(true);
    expect(hasPassed(at(part('', 'FF', '"4"')), marker)).toBe(false);
    expect(hasPassed(at(part('', '7F', '"1"'), part('7F', 'FF', '"6"')), marker)).toBe(true);
    expect(hasPassed(at(part('7F', 'AF', '"6"'), part('AF', 'FF', '"4"')), marker)).toBe(false);
  });

  it('is false before the first page and in another container', () => {
    expect(hasPassed(undefined, marker)).toBe(false);
    expect(hasPassed({ rid: 'other', parts: [part('', 'FF', '"9"')] }, marker)).toBe(false);
  });

  it('is false of a position that covers another part of the key space', () => {
    expect(hasPassed(at(part('', '3F', '"9"')), marker)).toBe(false);
  });

  it('is true of a marker of nothing', () => {
    expect(hasPassed(undefined, { rid: 'r', marks: [] })).toBe(true);
  });

  it('refuses what is no marker', () => {
    expect(() => parseMarker('not JSON')).toThrow(/marker/);
    expect(() => parseMarker('{}')).toThrow(/marker/);
    expect(() => parseMarker('{"rid":"x","marks":[1]}')).toThrow(/marker/);
  });
});
