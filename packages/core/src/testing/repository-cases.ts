// size: the cases of one contract are read together
import { InvalidDataError } from '../errors.ts';
import type { JsonObject } from '../json.ts';
import type { RecordHost } from '../store.ts';
import { repositoryIn } from '../store-repository.ts';
import { equal, ok, present, rejects } from './assert.ts';
import { type ContractCase, suite } from './contract.ts';
import { Movie, Reading, Task } from './entities.ts';
import { put, write } from './intents.ts';

type Case = ContractCase<Pick<RecordHost, 'records'>>;

const SECRET = 'a value that must stay out of messages';
const key = { tenantId: 't1', id: 'a' };

const identity: readonly Case[] = [
  {
    name: 'get and replace, with nothing in between, change no value',
    requires: [],
    run: async ({ store }) => {
      const tasks = repositoryIn(store, Task);
      const value = {
        ...key,
        title: 'one',
        extra: { list: [1, { deep: null }] },
        details: { place: { city: 'Bern', zip: 1 } },
      };
      await tasks.create(value);
      const stored = present(await tasks.get(key), 'record');
      equal(stored.value, value, 'get');
      const { version } = await tasks.replace(stored.value, { ifVersion: stored.version });
      const again = present(await tasks.get(key), 'record');
      equal([again.value, again.version], [value, version], 'get again');
      ok(version !== stored.version, 'the version rises');
    },
  },
  {
    name: 'what a caller does to a value after the write changes nothing that is stored',
    requires: [],
    run: async ({ store }) => {
      const tasks = repositoryIn(store, Task);
      const value = { ...key, tags: ['one'], details: { label: 'one' } };
      await tasks.create(value);
      value.tags.push('two');
      value.details.label = 'two';
      const first = present(await tasks.get(key), 'record');
      equal(first.value, { ...key, tags: ['one'], details: { label: 'one' } }, 'after the write');
      (first.value as { tags: string[] }).tags.push('three');
      equal(present(await tasks.get(key), 'record').value.tags, ['one'], 'after the read');
    },
  },
  {
    name: 'a hierarchical key is named by its paths',
    requires: [],
    run: async ({ store }) => {
      const readings = repositoryIn(store, Reading);
      const value = { id: 'r', site: 's', sensor: { line: 'l' }, year: 2026, value: 1.5 };
      await readings.create(value);
      const stored = await readings.get({ id: 'r', site: 's', 'sensor.line': 'l', year: 2026 });
      equal(stored?.value, value, 'value');
      equal(
        await readings.get({ id: 'r', site: 's', 'sensor.line': 'l', year: 2025 }),
        undefined,
        'another year',
      );
    },
  },
  {
    name: 'getMany keeps the order of the keys, repeated ones too, and refuses more than 1,000',
    requires: [],
    run: async ({ store }) => {
      const tasks = repositoryIn(store, Task);
      for (const id of ['a', 'b', 'c']) await tasks.create({ tenantId: 't1', id });
      const keys = ['c', 'none', 'a', 'c'].map((id) => ({ tenantId: 't1', id }));
      equal(
        (await tasks.getMany(keys)).map((it) => it?.value.id ?? null),
        ['c', null, 'a', 'c'],
        'ids',
      );
      equal(await tasks.getMany([]), [], 'none');
      const many = Array.from({ length: 1_001 }, (_, i) => ({ tenantId: 't1', id: `${i}` }));
      await rejects(tasks.getMany(many), 'invalid-options', 'too many');
    },
  },
  {
    name: 'writes tell their operation id, and repeat under it',
    requires: [],
    run: async ({ store }) => {
      const tasks = repositoryIn(store, Task);
      const made = await tasks.create(key);
      equal(await tasks.create(key, { operationId: made.operationId }), made, 'repeated create');
      const patched = await tasks.patch(key, { rank: 1 }, { operationId: 'op' });
      await tasks.patch(key, { rank: 2 });
      equal(await tasks.patch(key, { rank: 1 }, { operationId: 'op' }), patched, 'repeated patch');
      equal(present(await tasks.get(key), 'record').value.rank, 2, 'rank');
      await rejects(tasks.create({ ...key, id: 'b' }, { operationId: '' }), 'invalid-options', 'empty id');
      await rejects(tasks.create({ ...key, id: 'b' }, { operationId: 'a\nb' }), 'invalid-options', 'control');
    },
  },
  {
    name: 'delete tells whether something was there',
    requires: [],
    run: async ({ store }) => {
      const tasks = repositoryIn(store, Task);
      equal((await tasks.delete(key)).existed, false, 'nothing there');
      await tasks.create(key);
      equal((await tasks.delete(key)).existed, true, 'there');
      equal(await tasks.get(key), undefined, 'gone');
      await tasks.create(key);
      equal(present(await tasks.get(key), 'record').value, key, 'created again');
    },
  },
];

const refusals: readonly Case[] = [
  {
    name: 'a value that the schema refuses is InvalidData with paths, never values; nothing is written',
    requires: [],
    run: async ({ store }) => {
      const tasks = repositoryIn(store, Task);
      // Refused values come from programs without types.
      const bad = JSON.parse(
        JSON.stringify({ ...key, rank: SECRET, details: { size: SECRET } }),
      ) as typeof key;
      for (const call of [() => tasks.create(bad), () => tasks.upsert(bad), () => tasks.replace(bad)]) {
        const error = await rejects(call(), 'invalid-data', 'refused');
        ok(InvalidDataError.isInstance(error), 'class');
        equal(
          error.issues.map((it) => it.path),
          [['rank'], ['details', 'size']],
          'paths',
        );
        ok(!error.message.includes(SECRET) && !JSON.stringify(error.issues).includes(SECRET), 'no values');
      }
      equal(await tasks.get(key), undefined, 'nothing written');
    },
  },
  {
    name: 'values that no store keeps, and keys that some store refuses, are refused everywhere',
    requires: [],
    run: async ({ store }) => {
      const tasks = repositoryIn(store, Task);
      for (const [fields, path] of [
        [{ title: 'nul \0 in it' }, ['title']],
        [{ title: 'lone \ud800 surrogate' }, ['title']],
        [{ marks: { at: -0 } }, ['marks', 'at']],
        [{ marks: { at: Number.NaN } }, ['marks', 'at']],
        [{ _h: 1 }, ['_h']],
      ] as const) {
        const error = await rejects(tasks.create({ ...key, ...fields }), 'invalid-data', path.join('.'));
        ok(InvalidDataError.isInstance(error), 'class');
        equal(error.issues[0]?.path, path, 'path');
      }
      for (const id of [
        '',
        '.',
        '..',
        'a/b',
        'a\\b',
        'a?b',
        'a#b',
        'end ',
        'nul\0',
        'x'.repeat(1_024),
        'hyb:permit',
      ]) {
        await rejects(
          tasks.create({ tenantId: 't1', id }),
          'invalid-data',
          `create ${JSON.stringify(id).slice(0, 20)}`,
        );
        await rejects(
          tasks.get({ tenantId: 't1', id }),
          'invalid-data',
          `get ${JSON.stringify(id).slice(0, 20)}`,
        );
      }
    },
  },
  {
    name: 'a patch must not change the key, and must leave a value that fits',
    requires: [],
    run: async ({ store }) => {
      const tasks = repositoryIn(store, Task);
      await tasks.create({ ...key, title: 'one' });
      await rejects(tasks.patch(key, { id: 'b' }), 'invalid-data', 'id');
      await rejects(tasks.patch(key, { tenantId: null }), 'invalid-data', 'partition');
      equal(present(await tasks.get(key), 'record').value, { ...key, title: 'one' }, 'unchanged');
      await tasks.patch(key, { title: null, details: { place: { city: 'Bern' } } });
      equal(
        present(await tasks.get(key), 'record').value,
        { ...key, details: { place: { city: 'Bern' } } },
        'patched',
      );
    },
  },
  {
    name: 'a stored record that the schema refuses is told, unless the entity is loose',
    requires: [],
    run: async ({ store }) => {
      const misfit: JsonObject = { id: 'a', tenantId: 't1', rank: SECRET };
      await write(store.records(Task), put('create', Task, misfit));
      const error = await rejects(repositoryIn(store, Task).get(key), 'invalid-data', 'strict');
      ok(InvalidDataError.isInstance(error) && !error.message.includes(SECRET), 'no values');
      equal(error.issues[0]?.path, ['rank'], 'path');

      const movies = repositoryIn(store, Movie);
      const movie: JsonObject = { id: 'm', genre: 'g', rating: 'high' };
      await write(store.records(Movie), put('create', Movie, movie));
      const stored = present(await movies.get({ id: 'm', genre: 'g' }), 'loose');
      equal(stored.value, movie, 'loose value');
      await movies.patch({ id: 'm', genre: 'g' }, { title: 'named' });
      equal((await movies.get({ id: 'm', genre: 'g' }))?.value, { ...movie, title: 'named' }, 'patched');
      await rejects(movies.replace(stored.value), 'invalid-data', 'a new value is checked');
    },
  },
  {
    name: 'ifVersion must be a version that was given out',
    requires: [],
    run: async ({ store }) => {
      const tasks = repositoryIn(store, Task);
      const { version } = await tasks.create(key);
      await tasks.patch(key, { rank: 1 });
      await rejects(tasks.patch(key, { rank: 2 }, { ifVersion: version }), 'conflict', 'stale');
      await rejects(tasks.delete(key, { ifVersion: version }), 'conflict', 'stale delete');
      const current = present(await tasks.get(key), 'record').version;
      await tasks.delete(key, { ifVersion: current });
    },
  },
];

const pages: readonly Case[] = [
  {
    name: 'query pages and iterate tell the same records',
    requires: [],
    run: async ({ store }) => {
      const tasks = repositoryIn(store, Task);
      for (let i = 0; i < 23; i += 1)
        await tasks.create({ tenantId: `t${i % 2}`, id: `n${i}`, rank: i % 5, title: `title ${i}` });
      const query = { where: { rank: { lt: 4 } }, orderBy: [['rank', 'desc']], limit: 4 } as const;
      const paged: string[] = [];
      let cursor: string | undefined;
      do {
        const page = await tasks.query({ ...query, cursor });
        paged.push(...page.items.map((it) => it.value.id));
        ok(page.items.length <= 4, 'page size');
        cursor = page.cursor;
      } while (cursor !== undefined);
      const iterated: string[] = [];
      for await (const stored of tasks.iterate(query)) iterated.push(stored.value.id);
      equal(paged, iterated, 'both');
      equal(new Set(paged).size, 19, 'each once');
      const first = await tasks.query({ limit: 1 });
      const get = await tasks.get({ tenantId: 't0', id: 'n0' });
      equal(first.items[0]?.version, get?.version, 'versions of a query are those of get');
    },
  },
  {
    name: 'a page that ends with the last record has no cursor',
    requires: [],
    run: async ({ store }) => {
      const tasks = repositoryIn(store, Task);
      for (const id of ['a', 'b']) await tasks.create({ tenantId: 't1', id });
      equal((await tasks.query({ limit: 2 })).cursor, undefined, 'exactly full');
      ok((await tasks.query({ limit: 1 })).cursor !== undefined, 'there is more');
      equal(await tasks.query({ where: { rank: 1 } }), { items: [] }, 'nothing matches');
    },
  },
  {
    name: 'a query that no index serves, or with a foreign cursor, is refused',
    requires: [],
    run: async ({ store }) => {
      const tasks = repositoryIn(store, Task);
      for (const id of ['a', 'b']) await tasks.create({ tenantId: 't1', id });
      await rejects(tasks.query({ orderBy: [['note', 'asc']] }), 'unsupported', 'no index');
      await rejects(tasks.query({ limit: 0 }), 'invalid-options', 'limit');
      const { cursor } = await tasks.query({ limit: 1 });
      await rejects(
        tasks.query({ where: { rank: 1 }, cursor }),
        'invalid-options',
        'cursor of another query',
      );
    },
  },
];

/** What applications call: values, keys, versions, pages and refusals, over any store. */
export const repositoryCases: readonly Case[] = suite('repository', [...identity, ...refusals, ...pages]);
