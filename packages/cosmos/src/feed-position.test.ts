import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { hasPassed, parseMarker } from './feed-marker.ts';
import {
  assemblePosition,
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

describe('assemblePosition', () => {
  const at = (...parts: ReturnType<typeof part>[]) => ({ rid: 'r', parts });
  const whole = at(part('', 'FF', '"5"'));
  const low = at(part('', '7F', '"7"'));
  const high = at(part('7F', 'FF', '"9"'));
  const assemble = (id: string, known: Record<string, ReturnType<typeof at>>) =>
    assemblePosition(id, new Map(Object.entries(known)));

  it('is a range’s own where that is known', () => {
    expect(assemble('-FF', { '-FF': whole, '-7F': low, '7F-FF': high })).toBe(whole);
  });

  it('is that of the whole for a part, and of the smallest whole where there are several', () => {
    expect(assemble('-7F', { '-FF': whole })).toEqual(at(part('', '7F', '"5"')));
    expect(assemble('-3F', { '-FF': whole, '-7F': low })).toEqual(at(part('', '3F', '"7"')));
    expect(assemble('-3F', { '-7F': low, '-FF': whole })).toEqual(at(part('', '3F', '"7"')));
  });

  it('is those of the parts for a whole, with the older whole’s where a part is not known', () => {
    const both = { '-7F': low, '7F-FF': high };
    expect(assemble('-FF', both)).toEqual(at(part('', '7F', '"7"'), part('7F', 'FF', '"9"')));
    expect(assemble('3F-FF', { '-FF': whole, '-7F': low })).toEqual(
      at(part('3F', '7F', '"7"'), part('7F', 'FF', '"5"')),
    );
  });

  it('starts from the beginning where nothing is known', () => {
    expect(assemble('-FF', { '-7F': low })).toEqual(at(part('', '7F', '"7"'), part('7F', 'FF', '')));
    expect(assemble('7F-FF', { '-7F': low })).toBeUndefined();
    expect(assemble('-FF', {})).toBeUndefined();
  });

  it('takes nothing from another container', () => {
    const other = { ...high, rid: 'other' };
    expect(assemble('-FF', { '-3F': at(part('', '3F', '"2"')), '7F-FF': other })).toEqual(
      at(part('', '3F', '"2"'), part('3F', 'FF', '')),
    );
  });

  it('covers each stretch of any range once, in order, and promises nothing that no known range has read', () => {
    const cuts = ['', '1F', '3F', '5F', '7F', '9F', 'BF', 'DF', 'FF'];
    const bounds = fc
      .uniqueArray(fc.nat(8), { minLength: 2, maxLength: 2 })
      .map((two) => two.toSorted((a, b) => a - b).map((i) => cuts[i] ?? ''));
    const known = fc.array(fc.tuple(bounds, fc.integer({ min: 1, max: 99 })), { maxLength: 5 });
    fc.assert(
      fc.property(bounds, known, ([min = '', max = ''], entries) => {
        const read = entries.map(([[from = '', to = ''], n]) => part(from, to, `"${n}"`));
        const map = new Map(read.map((one) => [rangeId(one.min, one.max), at(one)]));
        const position = assemblePosition(rangeId(min, max), map);
        if (!position) return read.every((one) => one.max <= min || one.min >= max);
        let end = min;
        for (const stretch of position.parts) {
          expect(stretch.min).toBe(end);
          end = stretch.max;
          for (const cut of cuts.filter((place) => place >= stretch.min && place < stretch.max)) {
            const tokens = [...map.values()]
              .flatMap((one) => one.parts)
              .filter((one) => one.min <= cut && one.max > cut)
              .map((one) => one.token);
            expect(tokens.length === 0 ? [''] : tokens).toContain(stretch.token);
          }
        }
        return end === max;
      }),
    );
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
