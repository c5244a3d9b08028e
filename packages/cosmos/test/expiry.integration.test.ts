import { defineEntity, type JsonObject, recordDigest, type StoredRecord } from '@polyphase/core';
import type { InProcessHttpClient } from '@polyphase/cosmos-emulator';
import { afterEach, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { createContainer, setUpCosmos } from './cosmos-setup.ts';

const schema = z.object({ id: z.string(), t: z.string(), n: z.number().optional() });
const key = { partition: 't', id: 'id' } as const;
const Session = defineEntity({ name: 'sessions', schema, key, ttl: '1h' });
const Forever = defineEntity({ name: 'sessions', schema, key });

const BEGAN = 1_800_000_000_000;
const at = { partition: ['t'], id: 'a' };
const value = (fields: JsonObject = {}): JsonObject => ({ id: 'a', t: 't', ...fields });

const closing: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0)) await close();
});

async function setUp(between?: (inner: InProcessHttpClient) => InProcessHttpClient) {
  const cosmos = await setUpCosmos([Session], between ? { between } : {});
  closing.push(cosmos.close);
  const { emulator } = cosmos;
  if (!emulator) throw new Error('These tests set the date');
  emulator.clock.set(BEGAN);
  const raw = async (): Promise<JsonObject> => {
    const { resource } = await cosmos.store.container(Session).item('a', 't').read<JsonObject>();
    return resource ?? {};
  };
  return { ...cosmos, clock: emulator.clock, records: cosmos.store.records(Session), raw };
}

const copyOf = (expiresAtMs: number | undefined, fields: JsonObject = {}, counter = 1): StoredRecord => ({
  key: at,
  version: { term: 1, counter },
  value: value(fields),
  digest: recordDigest(value(fields)),
  operations: [],
  expiresAtMs,
});

describe('what a document says of its lifetime', () => {
  it('is what its value says when the SDK writes it, and what remains when it is copied', async () => {
    const { records, raw } = await setUp();
    const write = { kind: 'create', key: at, operationId: 'op', value: value({ ttl: 60 }) } as const;
    expect((await records.write(write, { term: 1 })).record.expiresAtMs).toBe(BEGAN + 60_000);
    expect((await raw())['ttl']).toBe(60);
    const record = copyOf(BEGAN + 17_000, { ttl: 60 }, 1e16 / 4);
    expect((await records.apply([{ record }]))[0]?.kind).toBe('applied');
    expect((await raw())['ttl']).toBe(17);
    expect(await records.read(at)).toMatchObject({ value: value({ ttl: 60 }), expiresAtMs: BEGAN + 17_000 });
  });

  it.each([
    ['none of its own, under a default', {}, 90_000, 90],
    ['for ever, over its own', { ttl: 60 }, undefined, -1],
    ['for ever, over the default', {}, undefined, -1],
    ['less than a second', { ttl: 60 }, 1, 1],
    ['exactly the default', {}, 3_600_000, undefined],
  ])('%s', async (_, fields, leftMs, ttl) => {
    const { records, raw } = await setUp();
    await records.apply([{ record: copyOf(leftMs === undefined ? undefined : BEGAN + leftMs, fields) }]);
    expect((await raw())['ttl']).toBe(ttl);
    const read = await records.read(at);
    expect(read?.value).toEqual(value(fields));
    expect(read?.digest).toBe(recordDigest(value(fields)));
  });

  it('is that of another program which writes over our stamp and keeps it', async () => {
    const { records, raw, store, clock } = await setUp();
    await records.apply([{ record: copyOf(BEGAN + 17_000, { ttl: 60 }) }]);
    clock.advance(5_000);
    await store.container(Session).items.upsert({ ...(await raw()), ttl: 600 });
    expect(await records.read(at)).toMatchObject({
      value: value({ ttl: 600 }),
      expiresAtMs: BEGAN + 605_000,
      version: { term: 1, counter: 1 },
    });
  });

  it.each(['a copy', 'a stamp'])('is set right when %s was long on its way', async (what) => {
    const late = { ms: 0 };
    let clock: { advance(ms: number): void } | undefined;
    const cosmos = await setUp((inner) => ({
      ...inner,
      sendRequest: async (request) => {
        if (['POST', 'PUT'].includes(request.method) && late.ms > 0) {
          clock?.advance(late.ms);
          late.ms = 0;
        }
        return inner.sendRequest(request);
      },
    }));
    const { records, raw, store } = cosmos;
    clock = cosmos.clock;
    if (what === 'a stamp') await store.container(Session).items.create(value({ ttl: 600 }));
    late.ms = 20_000;
    const record = copyOf(BEGAN + 60_000, { ttl: 600 });
    const ifEtag = (await records.read(at))?.etag;
    expect((await records.apply([{ record, ifEtag }]))[0]?.kind).toBe('applied');
    expect((await raw())['ttl']).toBe(40);
    expect(await records.read(at)).toMatchObject({ version: record.version, expiresAtMs: BEGAN + 60_000 });
  });
});

describe('a copy that has expired', () => {
  it('removes what an older version left, as the service would, and no tombstone stays', async () => {
    const { records, raw } = await setUp();
    await records.apply([{ record: copyOf(BEGAN + 60_000) }]);
    const [outcome] = await records.apply([{ record: copyOf(BEGAN - 1, {}, 2) }]);
    expect(outcome?.kind).toBe('applied');
    expect(await raw()).toEqual({});
    expect((await records.apply([{ record: copyOf(BEGAN - 1, {}, 2) }]))[0]).toEqual({ kind: 'same' });
  });

  it('by the clock of its own store alone does so too, since nothing but its end is left of it', async () => {
    const { records, raw } = await setUp();
    await records.apply([{ record: copyOf(BEGAN + 60_000) }]);
    await records.apply([{ record: { ...copyOf(BEGAN + 900, {}, 2), value: undefined } }]);
    expect(await raw()).toEqual({});
  });

  it('of a record that was deleted is a tombstone all the same, which never expires', async () => {
    const { records, raw, clock } = await setUp();
    await records.apply([{ record: copyOf(BEGAN + 60_000) }]);
    const gone = { ...copyOf(undefined, {}, 2), value: undefined, digest: recordDigest(undefined) };
    await records.apply([{ record: gone }]);
    clock.advance(24 * 3_600_000);
    expect(await raw()).toMatchObject({ ttl: -1, _h: { x: true } });
  });
});

describe('the container', () => {
  it('must expire what the entity has expiring, or nothing is started', async () => {
    const { database, store } = await setUpCosmos([]);
    await createContainer(database, Forever);
    await expect(store.prepare([Session])).rejects.toThrow("set the container's defaultTtl to 3600");
  });

  it.each([
    ['1h', 3_600, undefined],
    [null, -1, undefined],
    [undefined, undefined, undefined],
    ['1h', 60, `ttl: "60s"; or set the container's defaultTtl to 3600`],
    ['1h', -1, `ttl: null; or set the container's defaultTtl to 3600`],
    [null, 60, `ttl: "60s"; or set the container's defaultTtl to -1`],
    [undefined, -1, 'declare in entity "sessions" what the container says: ttl: null'],
    [undefined, 60, 'declare in entity "sessions" what the container says: ttl: "60s"'],
  ] as const)('with an entity of ttl %s and a defaultTtl of %s', async (ttl, defaultTtl, fix) => {
    const { database, store, close } = await setUpCosmos([]);
    closing.push(close);
    const container = await createContainer(database, Forever);
    const { resource } = await container.read();
    if (resource && defaultTtl !== undefined) await container.replace({ ...resource, defaultTtl });
    const answers = await store.verify(defineEntity({ name: 'sessions', schema, key, ttl }));
    const answer = answers.find(({ name }) => name === 'time to live');
    expect(answer?.passed).toBe(fix === undefined);
    expect(answer?.wanted).toContain(fix ?? 'the same in container and entity');
  });
});
