import { describe, expect, it } from 'vitest';
import { DrillPlace } from '../../test/drill-place.ts';
import { Note, protocol } from '../../test/virtual-world.ts';
import { createHybrid, type HybridStores } from '../index.ts';
import { SDK_VERSION } from '../sdk-version.ts';
import { judgeReceipt } from './drill-receipt.ts';

const DAY_MS = 86_400_000;

/** An entity that may go on to PostgreSQL but for the gate, and what is kept as the receipt of its last drill. */
async function waiting() {
  const place = new DrillPlace();
  const { clock, stores } = place;
  await stores.cosmos.foreign.put(Note, { id: '1', owner: 'a', text: 'x' });
  const endedAt = new Date(clock.now() - DAY_MS).toISOString();
  const good = { entity: 'notes', sdkVersion: SDK_VERSION, fingerprint: Note.fingerprint, endedAt };
  const keep = async (position: string): Promise<void> => {
    const expected = (await stores.postgres.checkpoints.read('drill:notes'))?.revision ?? 0;
    await stores.postgres.checkpoints.advance({ name: 'drill:notes', expected, position });
  };
  const hybrid = await place.passing(
    createHybrid<HybridStores, readonly [typeof Note]>({
      stores: { cosmos: stores.cosmos, postgres: stores.postgres },
      entities: [Note],
      config: {
        loaded: { revision: 1, entities: { notes: { policy: 'postgres-primary', flip: 'auto' } } },
      },
      protocol: { ...protocol, drillAge: '30d' },
      clock,
    }),
  );
  const status = async () => {
    await clock.advance(8_000);
    const { phase, blockedBy } = hybrid.status('notes');
    return { phase, gates: blockedBy.map(({ name, seen }) => `${name}: ${seen}`), blockedBy };
  };
  return { place, hybrid, keep, good, status };
}

describe('the gate before a flip is armed', () => {
  it('refuses without a receipt, says what to do, and passes once a drill has passed', async () => {
    const { place, hybrid, status } = await waiting();
    const { phase, blockedBy } = await status();
    expect(phase).toBe('3');
    expect(blockedBy).toEqual([
      {
        name: 'drilled',
        passed: false,
        seen: 'no receipt of a drill',
        wanted: expect.stringMatching(
          /^a drill of "notes" by SDK .*, with the schema of now, that ended after .*: run drill\(\{ entities, stores, scratch \}\)$/,
        ),
      },
    ]);
    expect((await place.run()).passed).toBe(true);
    expect((await status()).phase).toBe('6');
    await place.passing(hybrid.close());
  });

  it.each([
    [
      'that is too old',
      (receipt: object, nowMs: number) => ({
        ...receipt,
        endedAt: new Date(nowMs - 31 * DAY_MS).toISOString(),
      }),
      /^drilled: a drill by SDK .*, with this schema, that ended at 2025-12-01T/,
    ],
    [
      'of another schema',
      (receipt: object) => ({ ...receipt, fingerprint: 'another' }),
      /^drilled: a drill by SDK .*, with another schema, that ended at 2025-12-31T/,
    ],
    [
      'of another version of the SDK',
      (receipt: object) => ({ ...receipt, sdkVersion: '0.0.1' }),
      /^drilled: a drill by SDK 0\.0\.1, with this schema, that ended at 2025-12-31T/,
    ],
    [
      'that ended in the future, by a clock that was set back since',
      (receipt: object, nowMs: number) => ({ ...receipt, endedAt: new Date(nowMs + DAY_MS).toISOString() }),
      /^drilled: a drill by SDK .*, with this schema, that ended in the future, at 2026-01-02T/,
    ],
    [
      'that says no date',
      (receipt: object) => ({ ...receipt, endedAt: 'soon' }),
      /^drilled: no receipt of a drill$/,
    ],
    ['that is none', () => [], /^drilled: no receipt of a drill$/],
  ])('refuses a receipt %s', async (_, change, message) => {
    const { place, hybrid, keep, good, status } = await waiting();
    await keep(JSON.stringify(change(good, place.clock.now())));
    expect(await status()).toMatchObject({ phase: '3', gates: [expect.stringMatching(message)] });
    await keep('no JSON at all');
    expect(await status()).toMatchObject({ phase: '3', gates: ['drilled: no receipt of a drill'] });
    await keep(JSON.stringify(good));
    expect((await status()).phase).toBe('6');
    await place.passing(hybrid.close());
  });

  it.each([
    ['as old as may be', 60_000, true],
    ['older by a millisecond', 60_001, false],
    ['by a clock that goes before a little', -60_000, true],
    ['by a clock that goes before too much', -60_001, false],
  ])('takes receipts to the millisecond: %s', (_, ageMs, passed) => {
    const nowMs = Date.UTC(2026, 0, 1);
    const receipt = {
      sdkVersion: SDK_VERSION,
      fingerprint: Note.fingerprint,
      endedAt: new Date(nowMs - ageMs).toISOString(),
    };
    expect(judgeReceipt(receipt, { entity: Note, nowMs, maxAgeMs: 60_000 }).passed).toBe(passed);
  });
});
