import { mkdtemp, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type ConfigSource, ConnectionError, InvalidOptionsError, type JsonValue } from '@polyphase/core';
import { memoryConfigSource, memoryDocumentStore, memoryRelationalStore } from '@polyphase/core/memory';
import { afterEach, describe, expect, test, vi } from 'vitest';
import { Note } from '../../test/virtual-world.ts';
import { createHybrid, type HybridStores } from '../index.ts';
import { configFromFile } from './config-file.ts';

const open: { close(): Promise<void> }[] = [];
afterEach(async () => {
  for (const it of open.splice(0).toReversed()) await it.close();
});

const stores = (): HybridStores => ({ cosmos: memoryDocumentStore(), postgres: memoryRelationalStore() });
const config = (revision: number, policy: JsonValue = { policy: 'cosmos-only' }): JsonValue => ({
  revision,
  entities: { notes: policy },
});

async function follow(source: ConfigSource, given: HybridStores = stores()) {
  const hybrid = await createHybrid<HybridStores, readonly [typeof Note]>({
    stores: given,
    entities: [Note],
    config: source,
    protocol: { poll: 5, memberLease: '1s' },
  });
  open.push(hybrid);
  const taken: number[] = [];
  const kept: string[] = [];
  hybrid.on('config', ({ revision }) => taken.push(revision));
  hybrid.on('configKept', ({ error }) => kept.push(error instanceof Error ? error.message : String(error)));
  return { hybrid, taken, kept };
}

describe('a hybrid with a source of config', () => {
  test('begins with what is there, and takes every change', async () => {
    const source = memoryConfigSource(config(1));
    const { hybrid, taken, kept } = await follow(source);
    expect(hybrid.status('notes').wanted).toBe('0');
    source.put(config(2, { policy: 'dual-write' }));
    await vi.waitFor(() => expect(taken).toEqual([2]));
    expect(hybrid.status('notes').wanted).toBe('2');
    source.put(config(3, { policy: 'dual-write', reads: 'postgres' }));
    await vi.waitFor(() => expect(taken).toEqual([2, 3]));
    expect(kept).toEqual([]);
  });

  test('does not begin where nothing usable is there', async () => {
    await expect(follow(memoryConfigSource())).rejects.toThrow(InvalidOptionsError);
    await expect(follow(memoryConfigSource(config(1, { policy: 'mongo' })))).rejects.toThrow(
      'entities.notes',
    );
  });

  test('refuses what is wrong, lower, or the same revision with another meaning: the running one stays, told once', async () => {
    const source = memoryConfigSource(config(5));
    const { hybrid, taken, kept } = await follow(source);
    const refusals = [
      [config(6, { policy: 'mongo' }), 'entities.notes.policy'],
      [config(4, { policy: 'dual-write' }), 'lower than 5'],
      [config(5, { policy: 'dual-write' }), 'says something else'],
      [{ revision: 7, entities: {} }, 'has no policy'],
      ['text', 'config:'],
    ] as const;
    for (const [i, [wrong, reason]] of refusals.entries()) {
      source.put(wrong);
      source.put(wrong);
      await vi.waitFor(() => expect(kept).toHaveLength(i + 1));
      expect(kept.at(-1)).toContain(reason);
      expect(hybrid.status('notes').wanted).toBe('0');
    }
    source.remove();
    await vi.waitFor(() => expect(kept).toHaveLength(refusals.length + 1));
    source.put(config(5));
    source.put(config(6, { policy: 'dual-write' }));
    await vi.waitFor(() => expect(taken.at(-1)).toBe(6));
    expect(kept).toHaveLength(refusals.length + 1);
  });

  test('goes on when the source was away', async () => {
    const inner = memoryConfigSource(config(1));
    let isAway = false;
    let looks = 0;
    const away = () => {
      looks += 1;
      if (isAway) throw new ConnectionError({ message: 'the source is away' });
    };
    const source: ConfigSource = {
      read: async (options) => {
        away();
        return inner.read(options);
      },
      async *watch(options) {
        for await (const change of inner.watch(options)) {
          away();
          yield change;
        }
      },
    };
    const { taken, kept } = await follow(source);
    isAway = true;
    inner.put(config(2, { policy: 'dual-write' }));
    const before = looks;
    await vi.waitFor(() => expect(looks).toBeGreaterThan(before + 3));
    expect(kept).toEqual(['the source is away']);
    isAway = false;
    await vi.waitFor(() => expect(taken).toEqual([2]), 10_000);
  });

  test('takes a change again whose taking failed for a store that was away', async () => {
    const given = stores();
    const postgres = given.postgres;
    if (!postgres) throw new Error('no store');
    let isAway = false;
    const control = new Proxy(postgres.control, {
      get:
        (target, name) =>
        async (...args: unknown[]) => {
          if (isAway && name === 'read') throw new Error('what no store should throw');
          return Reflect.apply(Reflect.get(target, name), target, args);
        },
    });
    const source = memoryConfigSource(config(1));
    const { taken, kept } = await follow(source, { ...given, postgres: { ...postgres, control } });
    isAway = true;
    source.put(config(2, { policy: 'dual-write' }));
    await vi.waitFor(() => expect(kept).toEqual(['what no store should throw']));
    isAway = false;
    await vi.waitFor(() => expect(taken).toEqual([2]), 10_000);
  });

  test('stops following when it is closed', async () => {
    const source = memoryConfigSource(config(1));
    const { hybrid, taken } = await follow(source);
    await hybrid.close();
    source.put(config(2, { policy: 'dual-write' }));
    expect(taken).toEqual([]);
  });

  test('a process that comes with a lower revision follows the one that is in force; the same with other words is refused', async () => {
    const given = stores();
    const later = config(5, { policy: 'dual-write' });
    await (await follow(memoryConfigSource(later), given)).hybrid.close();
    const { hybrid } = await follow(memoryConfigSource(config(4)), given);
    expect(hybrid.status('notes').wanted).toBe('2');
    await expect(follow(memoryConfigSource(config(5)), given)).rejects.toThrow('5, which is in force');
  });
});

test('a file is followed through half-written contents and deletion', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'polyphase-follow-'));
  try {
    const path = join(folder, 'polyphase.json');
    const replace = async (value: JsonValue) => {
      await writeFile(`${path}.new`, JSON.stringify(value));
      await rename(`${path}.new`, path);
    };
    await replace(config(1));
    const { hybrid, taken, kept } = await follow(configFromFile(path, { poll: 5 }));
    await replace(config(2, { policy: 'dual-write' }));
    await vi.waitFor(() => expect(taken).toEqual([2]));

    const text = JSON.stringify(config(3, { policy: 'dual-write', reads: 'postgres' }));
    await writeFile(path, text.slice(0, 30));
    await vi.waitFor(() => expect(kept.at(-1)).toContain('is no JSON'));
    expect(hybrid.status('notes').wanted).toBe('2');
    await writeFile(path, text);
    await vi.waitFor(() => expect(taken).toEqual([2, 3]));

    await rm(path);
    await vi.waitFor(() => expect(kept.at(-1)).toContain('cannot be read'));
    expect(hybrid.status('notes').wanted).toBe('3');
    await replace(config(4, { policy: 'dual-write' }));
    await vi.waitFor(() => expect(taken).toEqual([2, 3, 4]));
  } finally {
    await rm(folder, { recursive: true });
  }
});
