import type { ConfigSource } from '../config-source.ts';
import type { JsonValue } from '../json.ts';
import { equal, ok, rejects } from './assert.ts';
import { type ContractCase, suite } from './contract.ts';

/** A source of config with the means to change what is there, as its users would. */
export interface ConfigSourceSubject {
  readonly source: ConfigSource;
  /** Puts a config there, in the place of any other. */
  readonly put: (config: JsonValue) => Promise<void>;
  /** Leaves nothing there. */
  readonly remove: () => Promise<void>;
}

type Case = ContractCase<ConfigSourceSubject>;

const config = (revision: number, policy = 'cosmos-only'): JsonValue => ({
  revision,
  entities: { accounts: { policy } },
});

/** Watches until the work is done, and makes sure that watching ends then. */
async function watching(
  source: ConfigSource,
  work: (told: () => Promise<void>, changes: AsyncIterator<void>) => Promise<void>,
): Promise<void> {
  const ended = new AbortController();
  const changes = source.watch({ signal: ended.signal })[Symbol.asyncIterator]();
  try {
    await work(async () => {
      ok((await changes.next()).done !== true, 'watching must not end by itself');
    }, changes);
  } finally {
    const last = changes.next();
    ended.abort(new Error('the case ends'));
    for (let next = await last; next.done !== true; next = await changes.next());
  }
}

const reading: readonly Case[] = [
  {
    name: 'reading gives what is there, as it is',
    requires: [],
    run: async ({ store: { source, put } }) => {
      await put(config(1));
      equal((await source.read()).loaded as JsonValue, config(1), 'first');
      await put(config(2, 'dual-write'));
      equal((await source.read()).loaded as JsonValue, config(2, 'dual-write'), 'second');
    },
  },
  {
    name: 'what is wrong is handed over all the same: a source does not judge',
    requires: [],
    run: async ({ store: { source, put } }) => {
      const wrong = { revision: 1, entities: { accounts: { policy: 'no such policy' } } };
      await put(wrong);
      equal((await source.read()).loaded as JsonValue, wrong, 'wrong');
    },
  },
  {
    name: 'where nothing is there, reading says so',
    requires: [],
    run: async ({ store: { source, put, remove } }) => {
      await rejects(source.read(), 'invalid-options', 'nothing yet');
      await put(config(1));
      await remove();
      await rejects(source.read(), 'invalid-options', 'nothing any more');
    },
  },
  {
    name: 'reading ends with the reason of a signal that is aborted',
    requires: [],
    run: async ({ store: { source, put } }) => {
      await put(config(1));
      const reason = new Error('enough');
      const error = await source
        .read({ signal: AbortSignal.abort(reason) })
        .catch((thrown: unknown) => thrown);
      ok(error === reason, 'the reason');
    },
  },
  {
    name: 'watching tells once at the start, and ends when its signal aborts',
    requires: [],
    run: async ({ store: { source, put } }) => {
      await put(config(1));
      await watching(source, (told) => told());
      const over = source.watch({ signal: AbortSignal.abort() })[Symbol.asyncIterator]();
      equal((await over.next()).done, true, 'aborted before');
    },
  },
];

const changing: readonly Case[] = [
  {
    name: 'watching tells of a change, a removal, and what comes after it',
    requires: ['hot-reload'],
    run: async ({ store: { source, put, remove } }) => {
      await put(config(1));
      await watching(source, async (told) => {
        await told();
        await put(config(2));
        await told();
        equal((await source.read()).loaded as JsonValue, config(2), 'changed');
        await remove();
        await told();
        await rejects(source.read(), 'invalid-options', 'removed');
        await put(config(3));
        await told();
        equal((await source.read()).loaded as JsonValue, config(3), 'back');
      });
    },
  },
  {
    name: 'of many changes at once the last is never left out',
    requires: ['hot-reload'],
    run: async ({ store: { source, put } }) => {
      await put(config(1));
      await watching(source, async (told) => {
        await told();
        for (let revision = 2; revision <= 20; revision += 1) await put(config(revision));
        let seen: JsonValue = null;
        while (JSON.stringify(seen) !== JSON.stringify(config(20))) {
          await told();
          const { entities, revision } = (await source.read()).loaded as { [name: string]: JsonValue };
          seen = { revision: revision ?? null, entities: entities ?? null };
        }
      });
    },
  },
  {
    name: 'a change between reading and watching is told',
    requires: ['hot-reload'],
    run: async ({ store: { source, put } }) => {
      await put(config(1));
      await source.read();
      await put(config(2));
      await watching(source, async (told) => {
        await told();
        equal((await source.read()).loaded as JsonValue, config(2), 'changed');
      });
    },
  },
  {
    name: 'each of several who watch is told',
    requires: ['hot-reload'],
    run: async ({ store: { source, put } }) => {
      await put(config(1));
      await watching(source, async (first) => {
        await watching(source, async (second) => {
          await Promise.all([first(), second()]);
          await put(config(2));
          await Promise.all([first(), second()]);
        });
      });
    },
  },
];

/** The contract of `ConfigSource`. */
export const configSourceCases: readonly Case[] = suite('config source', [...reading, ...changing]);
