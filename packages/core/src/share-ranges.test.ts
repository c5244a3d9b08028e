import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type RangeMoves, shareRanges } from './share-ranges.ts';

type Holders = ReadonlyMap<string, string>;

const named = (kind: string, count: number): readonly string[] =>
  Array.from({ length: count }, (_, i) => `${kind}${i}`);

/** A fleet in any state: some ranges are free, some belong to workers, and some of the workers have none. */
const fleets = fc
  .record({ workers: fc.integer({ min: 1, max: 8 }), ranges: fc.nat(20) })
  .chain(({ workers, ranges }) =>
    fc.record({
      workers: fc.constant(named('w', workers)),
      ranges: fc.constant(named('r', ranges)),
      owners: fc.array(fc.integer({ min: -1, max: workers - 1 }), {
        minLength: ranges,
        maxLength: ranges,
      }),
    }),
  )
  .map(({ workers, ranges, owners }) => ({
    workers,
    ranges,
    holders: new Map(
      ranges.flatMap((range, i): [string, string][] => {
        const owner = workers[owners[i] ?? -1];
        return owner === undefined ? [] : [[range, owner]];
      }),
    ),
  }));

const countOf = (holders: Holders, worker: string): number =>
  [...holders.values()].filter((holder) => holder === worker).length;

/** What becomes of a state when a worker does what it decided, as leases let one. */
function after(holders: Holders, me: string, { take, give }: RangeMoves): Map<string, string> {
  const next = new Map(holders);
  for (const range of give) if (next.get(range) === me) next.delete(range);
  for (const range of take) if (!next.has(range)) next.set(range, me);
  return next;
}

const isShared = (workers: readonly string[], ranges: readonly string[], holders: Holders): boolean => {
  const counts = workers.map((worker) => countOf(holders, worker));
  return holders.size === ranges.length && Math.max(...counts) - Math.min(...counts) <= 1;
};

describe('shareRanges', () => {
  it('takes what is free and gives what is its own, never both', () => {
    fc.assert(
      fc.property(fleets, ({ workers, ranges, holders }) => {
        for (const me of workers) {
          const { take, give } = shareRanges({ me, ranges, holders, workers });
          expect(take.filter((range) => holders.has(range))).toEqual([]);
          expect(give.filter((range) => holders.get(range) !== me)).toEqual([]);
          expect(Math.min(take.length, give.length)).toBe(0);
        }
      }),
    );
  });

  it('lets no two workers that see the same take one range, and leaves none lying that somebody lacks', () => {
    fc.assert(
      fc.property(fleets, ({ workers, ranges, holders }) => {
        const moves = workers.map((me) => shareRanges({ me, ranges, holders, workers }));
        const taken = moves.flatMap((one) => one.take);
        expect(new Set(taken).size).toBe(taken.length);
        expect(taken).toHaveLength(ranges.length - holders.size);
      }),
    );
  });

  it('moves nothing once it is shared out, and no more than others lack before', () => {
    fc.assert(
      fc.property(fleets, ({ workers, ranges, holders }) => {
        const share = Math.floor(ranges.length / workers.length);
        const moves = workers.map((me) => shareRanges({ me, ranges, holders, workers }));
        for (const [i, worker] of workers.entries()) {
          const left = countOf(holders, worker) - (moves[i]?.give.length ?? 0);
          expect(moves[i]?.give.length === 0 || left >= share).toBe(true);
        }
        const moved = moves.flatMap(({ take, give }) => [...take, ...give]);
        expect(isShared(workers, ranges, holders) ? moved : []).toEqual([]);
      }),
    );
  });

  it('gives a worker that joins its share, and moves nothing else', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 8 }), fc.nat(20), (count, size) => {
        const [workers, ranges] = [named('w', count), named('r', size)];
        const holders = new Map(ranges.map((range, i) => [range, `w${i % count}`]));
        const more = [...workers, 'a newcomer'];
        const given = workers.flatMap((me) => shareRanges({ me, ranges, holders, workers: more }).give);
        expect(given).toHaveLength(Math.floor(size / more.length));
      }),
    );
  });

  it('comes to rest, shared out, from any state and in any order of turns, though each goes by an older view', () => {
    const turns = fc.array(fc.tuple(fc.nat(), fc.nat(3)), { maxLength: 40 });
    fc.assert(
      fc.property(fleets, turns, ({ workers, ranges, holders }, wild) => {
        const states: Map<string, string>[] = [new Map(holders)];
        const now = () => states.at(-1) ?? new Map<string, string>();
        const act = (me: string, age: number) => {
          const view = states.at(-1 - age) ?? now();
          const moves = shareRanges({ me, ranges, holders: view, workers });
          states.push(after(now(), me, moves));
        };
        for (const [who, age] of wild) act(workers[who % workers.length] ?? '', age);
        // From here on everybody sees what is. What is given after others had their turn is taken in the next round, or the one after.
        for (let round = 0; round < 3; round += 1) for (const me of workers) act(me, 0);
        expect(isShared(workers, ranges, now())).toBe(true);
      }),
    );
  });

  it('counts the holders of ranges as workers, and shares among none but those', () => {
    const holders = new Map([['r0', 'unlisted']]);
    expect(shareRanges({ me: 'a', ranges: ['r0', 'r1', 'r2'], holders, workers: [] })).toEqual({
      take: ['r2'],
      give: [],
    });
  });
});
