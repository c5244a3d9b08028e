import { defineEntity, type Entity, InvalidOptionsError, recordDigest } from '@polyphase/core';
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { DrillPlace, withMembers, withRecords } from '../../test/drill-place.ts';
import { Note } from '../../test/virtual-world.ts';
import type { DrillStores } from '../index.ts';

const NOTE = { id: 'n', owner: 'a', text: 'x' };
const KEY = { partition: ['a'], id: 'n' };
const WISH = { phase: '0', flip: 'manual', revision: 1 } as const;
const RECORD = {
  key: KEY,
  version: { term: 1, counter: 1 },
  value: NOTE,
  digest: recordDigest(NOTE),
  operations: [],
};

async function filled(): Promise<DrillPlace> {
  const place = new DrillPlace();
  await place.fill();
  return place;
}

/** Everything of the entity that the real stores hold, but for leases. */
async function heldBy({ cosmos, postgres }: DrillStores): Promise<unknown> {
  const records = [];
  for (const host of [cosmos, postgres])
    for await (const page of host.records(Note).scan()) records.push(...page);
  return {
    records,
    row: await postgres.control.read('notes'),
    permit: await cosmos.permits.read('notes'),
    checkpoints: await postgres.checkpoints.list(''),
  };
}

describe('scratch stores are refused, and nothing is written,', () => {
  it.each([
    ['both', (real: DrillStores) => real, 'are the real ones'],
    ['Cosmos DB', ({ cosmos }: DrillStores) => ({ cosmos }), 'are the real ones'],
    ['PostgreSQL', ({ postgres }: DrillStores) => ({ postgres }), 'are the real ones'],
    [
      'the container, by another client,',
      ({ cosmos }: DrillStores) => ({ cosmos: withMembers(cosmos, {}) }),
      'hold documents of it; give a container that is empty',
    ],
    [
      'the database, by another client,',
      ({ postgres }: DrillStores) => ({ postgres: withMembers(postgres, {}) }),
      'share the PostgreSQL database of the real ones',
    ],
  ])('where %s of the entity is given', async (_, given, message) => {
    const place = await filled();
    const before = await heldBy(place.stores);
    const scratch = { ...place.scratch, ...given(place.stores) };
    const refusal = place.run({ scratch });
    await expect(refusal).rejects.toBeInstanceOf(InvalidOptionsError);
    await expect(refusal).rejects.toThrow(message);
    expect(await heldBy(place.stores)).toEqual(before);
  });

  it('where another schema of the same database is given', async () => {
    const place = await filled();
    const { stores, scratch } = place;
    const before = await heldBy(stores);
    // The SDK's own tables are one set for each database; only the entities' are in the schema.
    const records = (entity: Entity) => scratch.postgres.records(entity);
    const postgres = withMembers(stores.postgres, { records });
    await expect(place.run({ scratch: { ...scratch, postgres } })).rejects.toThrow(
      'share the PostgreSQL database of the real ones: the control row is one for each database, whatever the schema; give another database',
    );
    expect(await heldBy(stores)).toEqual(before);
    // The lease was given up: nobody need wait for it.
    expect((await stores.postgres.leases.list('')).size).toBe(0);
  });

  const uses: readonly [string, (scratch: DrillPlace['scratch']) => Promise<unknown>, string][] = [
    ['documents', ({ cosmos }) => cosmos.foreign.put(Note, NOTE), 'hold documents of it'],
    [
      'tombstones',
      ({ cosmos }) =>
        cosmos
          .records(Note)
          .apply([{ record: { ...RECORD, value: undefined, digest: recordDigest(undefined) } }]),
      'hold documents of it',
    ],
    ['rows', ({ postgres }) => postgres.records(Note).apply([{ record: RECORD }]), 'hold rows of it'],
    [
      'a control row',
      ({ postgres }) =>
        postgres.control.create({ group: 'notes', epoch: 1, phase: '0', term: 1, wish: WISH }),
      'have a control row of it in PostgreSQL',
    ],
    [
      'a permit',
      ({ cosmos }) =>
        cosmos.permits.create('notes', {
          epoch: 0,
          open: true,
          opening: 0,
          term: 1,
          leaseMs: 1,
          drainMs: 1,
          tombstones: false,
        }),
      'have a permit of it in Cosmos DB',
    ],
    [
      'checkpoints of a copy',
      ({ postgres }) => postgres.checkpoints.advance({ name: 'feed:notes:0', expected: 0, position: 'x' }),
      'hold checkpoints of a copy in PostgreSQL',
    ],
  ];
  it.each(uses)('where they hold %s', async (_, use, message) => {
    const place = await filled();
    await use(place.scratch);
    const before = await heldBy(place.scratch);
    await expect(place.run()).rejects.toThrow(`The scratch stores of "notes" ${message}`);
    expect(await heldBy(place.scratch)).toEqual(before);
  });

  it('where they do not fit the entity, with everything that is to be mended', async () => {
    const place = await filled();
    const cosmos = withMembers(place.scratch.cosmos, {
      verify: async () => [{ name: 'indexes', passed: false, seen: 'none', wanted: 'these: …' }],
    });
    await expect(place.run({ scratch: { ...place.scratch, cosmos } })).rejects.toThrow(
      'The scratch stores do not fit "notes":\n  - none (wanted: these: …)',
    );
  });
});

describe('a drill that is aborted before it walks', () => {
  it('writes nothing when that was before it began', async () => {
    const place = await filled();
    const reason = new Error('enough');
    await expect(place.run({ signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
    expect(await heldBy(place.scratch)).toEqual(await heldBy(place.made()));
  });

  it('gives the scratch stores up when that was while they were seeded', async () => {
    const place = await filled();
    const stop = new AbortController();
    const reason = new Error('enough');
    let written = 0;
    const cosmos = withRecords(place.scratch.cosmos, (real) => ({
      write: async (intent, options) => {
        written += 1;
        if (written === 4) stop.abort(reason);
        return real.write(intent, options);
      },
    }));
    const scratch = { ...place.scratch, cosmos };
    await expect(place.run({ scratch, signal: stop.signal })).rejects.toBe(reason);
    expect(written).toBe(4);
    expect((await scratch.postgres.leases.list('')).size).toBe(0);
    await expect(place.run()).rejects.toThrow('hold documents of it');
  });
});

describe('two drills at once', () => {
  it('on the same scratch stores: one walks, the other is told', async () => {
    const place = await filled();
    const [one, other] = await Promise.allSettled([place.run(), place.run()]);
    const outcomes = [one, other].toSorted((a, b) => a.status.localeCompare(b.status));
    expect(outcomes[0]).toMatchObject({ status: 'fulfilled', value: { passed: true } });
    expect(outcomes[1]).toMatchObject({
      status: 'rejected',
      reason: { code: 'invalid-options', message: expect.stringContaining('by another drill') },
    });
  });

  it('on one scratch container with a database each: one walks, the other is told', async () => {
    const place = await filled();
    const other = { cosmos: place.scratch.cosmos, postgres: place.made().postgres };
    const settled = await Promise.allSettled([place.run(), place.run({ scratch: other })]);
    const outcomes = settled.toSorted((a, b) => a.status.localeCompare(b.status));
    expect(outcomes[0]).toMatchObject({ status: 'fulfilled', value: { passed: true } });
    expect(outcomes[1]).toMatchObject({
      status: 'rejected',
      reason: { message: expect.stringContaining('are written to by somebody else') },
    });
  });

  it('on scratch stores of their own: both walk', async () => {
    const place = await filled();
    const results = await Promise.all([place.run(), place.run({ scratch: place.made() })]);
    expect(results.map(({ passed }) => passed)).toEqual([true, true]);
  });
});

describe('a sample', () => {
  it('is wanted', async () => {
    await expect(new DrillPlace().run()).rejects.toThrow(
      '"notes" has no record that a drill could take; write some first',
    );
  });

  it('of records that the schema refuses is none', async () => {
    const place = new DrillPlace();
    for (const id of ['1', '2']) await place.stores.cosmos.foreign.put(Note, { id, owner: 'a', text: 7 });
    await expect(place.run()).rejects.toThrow(
      'A drill could take none of the 2 records of "notes": the schema refuses them',
    );
  });

  it('leaves out what would expire on the way', async () => {
    const { name, key } = Note;
    const schema = z.object({ id: z.string(), owner: z.string(), text: z.string() });
    const entity = defineEntity({ name, schema, key: { partition: 'owner', id: key.id }, ttl: null });
    const place = new DrillPlace();
    for (const ttl of [-1, 59, 60, 3_600])
      await place.stores.cosmos.foreign.put(entity, { id: `${ttl}`, owner: 'a', text: 'x', ttl });
    expect(await place.run({ entities: [entity] })).toMatchObject({
      passed: true,
      receipts: [{ sampled: 3, leftOut: 1 }],
    });
  });

  it('that cannot be stored ends the drill with the error of the store', async () => {
    const place = await filled();
    const cosmos = withRecords(place.scratch.cosmos, () => ({
      write: async () => {
        throw new InvalidOptionsError({ message: 'read-only key' });
      },
    }));
    await expect(place.run({ scratch: { ...place.scratch, cosmos } })).rejects.toThrow('read-only key');
  });

  it('takes options that make sense', async () => {
    const place = await filled();
    await expect(
      place.run({ entities: [], sample: 0, callers: 1.5, patienceMs: Number.NaN }),
    ).rejects.toThrow(
      'The options of the drill are not usable:\n  - sample must be a whole number, 1 or more\n  - callers must be a whole number, 1 or more\n  - patienceMs must be a whole number, 1 or more\n  - entities must name one, or all of a group',
    );
    await expect(place.run({ protocol: { poll: 0 } })).rejects.toThrow('protocol.poll must be at least 1 ms');
    expect(await heldBy(place.scratch)).toEqual(await heldBy(place.made()));
  });
});
