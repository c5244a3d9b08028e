import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { defineEntity } from './entity.ts';
import { InvalidDataError, InvalidOptionsError } from './errors.ts';
import { expiryOf, sameExpiry, ttlSeconds } from './expiry.ts';
import { memoryDocumentStore } from './memory/index.ts';
import { repositoryIn } from './store-repository.ts';
import { manualClock } from './testing/manual-clock.ts';

const START = Date.UTC(2026, 0, 1);
const key = { partition: 't', id: 'id' } as const;
const strict = z.strictObject({ id: z.string(), t: z.string(), n: z.number().optional() });

describe('a time to live', () => {
  it.each([
    ['1s', 1],
    ['30d', 2_592_000],
    [1_000, 1],
    [null, -1],
  ] as const)('%s is so many seconds', (ttl, seconds) => {
    expect(ttlSeconds(ttl, 'ttl')).toBe(seconds);
  });

  it.each([0, 999, 1_500, '0s', '100ms', Number.NaN, -1_000, '100000000d'] as const)('%s is none', (ttl) => {
    expect(() => ttlSeconds(ttl, 'ttl')).toThrow(InvalidOptionsError);
    expect(() => defineEntity({ name: 'x', schema: strict, key, ttl })).toThrow(/whole number of seconds/);
  });

  it('counts from the whole second of the write: its own, else the default, else for ever', () => {
    const of = (ttl: number | null | undefined, own: number | null | undefined) =>
      expiryOf({ ttl }, own === undefined ? {} : { ttl: own }, START + 999);
    expect(of(60, undefined)).toBe(START + 60_000);
    expect(of(60, 5)).toBe(START + 5_000);
    expect(of(60, null)).toBe(START + 60_000);
    expect([of(60, -1), of(null, undefined), of(undefined, 5)]).toEqual([undefined, undefined, undefined]);
    expect(of(null, 5)).toBe(START + 5_000);
  });

  it('is the same within a second', () => {
    const same = (a: number | undefined, b: number | undefined) =>
      sameExpiry({ expiresAtMs: a }, { expiresAtMs: b });
    expect([same(0, 1_000), same(1_000, 0), same(undefined, undefined)]).toEqual([true, true, true]);
    expect([same(0, 1_001), same(0, undefined), same(undefined, 0)]).toEqual([false, false, false]);
  });

  it('makes another entity', () => {
    const prints = [undefined, null, '1h', '2h'] as const;
    const of = prints.map((ttl) => defineEntity({ name: 'x', schema: strict, key, ttl }).fingerprint);
    expect(new Set(of).size).toBe(4);
  });
});

describe('a repository of records that expire', () => {
  const Visit = defineEntity({ name: 'visits', schema: strict, key, ttl: '1h' });
  const Named = defineEntity({
    name: 'named',
    schema: strict.extend({ ttl: z.literal(60).optional() }),
    key,
    ttl: '1h',
  });
  const at = { t: 't', id: 'a' };
  const setUp = () => {
    const clock = manualClock(START);
    const store = memoryDocumentStore({ clock });
    return { clock, visits: repositoryIn(store, Visit), named: repositoryIn(store, Named) };
  };
  const inMs = (ms: number) => new Date(START + ms);

  it('tells when each ends, by the option of the write, for ever or by the default', async () => {
    const { visits } = setUp();
    await visits.create({ ...at }, { ttl: '10s' });
    expect((await visits.get(at))?.expiresAt).toEqual(inMs(10_000));
    await visits.replace({ ...at, n: 1 }, { ttl: 20_000 });
    expect((await visits.query({})).items[0]?.expiresAt).toEqual(inMs(20_000));
    await visits.patch(at, { n: 2 }, { ttl: null });
    expect(await visits.get(at)).not.toHaveProperty('expiresAt');
    await visits.upsert({ ...at, n: 3 }, { dropUnknown: true });
    expect((await visits.getMany([at]))[0]?.expiresAt).toEqual(inMs(3_600_000));
  });

  it('takes the field past a schema that does not name it, and checks it by one that does', async () => {
    const { visits, named } = setUp();
    await visits.create({ ...at }, { ttl: '10s' });
    const stored = await visits.get(at);
    expect(stored?.value).toEqual({ ...at, ttl: 10 });
    if (stored) await visits.replace(stored.value);
    await expect(named.create({ ...at }, { ttl: '10s' })).rejects.toThrow(InvalidDataError);
    await named.create({ ...at, ttl: 60 });
    expect((await named.get(at))?.expiresAt).toEqual(inMs(60_000));
  });

  it('starts the clock anew with each write, and ends', async () => {
    const { clock, visits } = setUp();
    await visits.create({ ...at }, { ttl: '10s' });
    await clock.advance(9_000);
    await visits.patch(at, { n: 1 });
    await clock.advance(9_999);
    expect((await visits.get(at))?.value).toEqual({ ...at, n: 1, ttl: 10 });
    await clock.advance(1);
    expect(await visits.get(at)).toBeUndefined();
  });

  it('refuses the option where nothing expires', async () => {
    const Plain = defineEntity({ name: 'plain', schema: strict, key });
    const plain = repositoryIn(memoryDocumentStore(), Plain);
    await expect(plain.create({ ...at }, { ttl: '10s' })).rejects.toThrow(/declare it with ttl/);
    await expect(plain.patch(at, { n: 1 }, { ttl: null })).rejects.toThrow(InvalidOptionsError);
  });
});
