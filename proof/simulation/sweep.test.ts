import { expect, it } from 'vitest';
import { FAULTS } from './faults.ts';
import { ROUTES, sweep, sweepCases } from './sweep.ts';

const CASES = 150;

it('keeps every promise after one fault at any call of a migration there, back, and back from 7', async () => {
  const all = await sweepCases();
  for (const { name } of ROUTES)
    expect(all.filter(({ route }) => route === name).length).toBeGreaterThan(500);
  // A stride that meets every kind of fault at calls of every route.
  const stride = nextCoprime(Math.ceil(all.length / CASES), FAULTS.length);
  const { broken, seeds, faults } = await sweep(
    all.filter((_, i) => i % stride === 0),
    { mostBroken: 3 },
  );
  expect(broken).toEqual([]);
  expect([seeds, faults]).toEqual([faults, seeds]);
  expect(seeds).toBeGreaterThan(CASES / 2);
}, 180_000);

function nextCoprime(from: number, to: number): number {
  const divides = (n: number): boolean =>
    Array.from({ length: to - 1 }, (_, i) => i + 2).some((d) => n % d === 0 && to % d === 0);
  return divides(from) ? nextCoprime(from + 1, to) : from;
}
