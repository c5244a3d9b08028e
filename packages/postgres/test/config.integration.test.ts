import { ConflictError, InvalidOptionsError, type JsonValue, type PolyphaseConfig } from '@polyphase/core';
import { bindContract, configSourceCases } from '@polyphase/core/testing';
import { describeWith, testDatabase } from '@polyphase/test-support/vitest';
import { Pool } from 'pg';
import { afterAll, describe, expect, it } from 'vitest';
import { type ConfigTable, configFromTable } from '../src/index.ts';

const config = (revision: number, policy: 'cosmos-only' | 'dual-write' = 'cosmos-only'): PolyphaseConfig => ({
  revision,
  entities: { accounts: { policy } },
});

describeWith('postgres')('config in a table', () => {
  const database = testDatabase();
  const pool = new Pool({ connectionString: database.url });
  afterAll(() => pool.end());
  let names = 0;
  const table = (options: { readonly name?: string; readonly pool?: Pool } = {}): ConfigTable =>
    configFromTable({ pool, poll: 5, name: `config-${(names += 1)}`, ...options });

  describe('keeps the contract', () => {
    const subject = async () => {
      const name = `contract-${(names += 1)}`;
      const source = table({ name });
      // As somebody with a console would: straight into the table.
      const put = async (value: JsonValue) => {
        await pool.query(
          'insert into polyphase.config (name, config) values ($1, $2) on conflict (name) do update set config = $2',
          [name, JSON.stringify(value)],
        );
      };
      await source.read().catch(() => undefined);
      return {
        store: {
          source,
          put,
          remove: async () => void (await pool.query('delete from polyphase.config where name = $1', [name])),
        },
      };
    };
    bindContract(configSourceCases, { capabilities: ['hot-reload'], it, subject });
  });

  it('is published, and read by another process', async () => {
    const name = 'shared';
    const other = new Pool({ connectionString: database.url });
    await table({ name }).publish(config(1, 'dual-write'));
    expect(await table({ name, pool: other }).read()).toEqual({ loaded: config(1, 'dual-write') });
    await other.end();
  });

  it('takes a lower revision from nobody, and an equal one only when it says the same', async () => {
    const source = table();
    await source.publish(config(5));
    await source.publish({ entities: { accounts: { policy: 'cosmos-only' } }, revision: 5 });
    await expect(source.publish(config(4))).rejects.toMatchObject({ code: 'conflict' });
    await expect(source.publish(config(5, 'dual-write'))).rejects.toMatchObject({ code: 'conflict' });
    expect(await source.read()).toEqual({ loaded: config(5) });
    await source.publish(config(6, 'dual-write'));
    expect(await source.read()).toEqual({ loaded: config(6, 'dual-write') });
  });

  it('of processes that publish the same revision at once, one wins each time', async () => {
    const pools = Array.from({ length: 4 }, () => new Pool({ connectionString: database.url, max: 1 }));
    const sources = pools.map((own) => table({ name: 'raced', pool: own }));
    for (let revision = 1; revision <= 25; revision += 1) {
      const next = (maxStaleness: number): PolyphaseConfig => ({
        revision,
        entities: { accounts: { policy: 'dual-write', maxStaleness } },
      });
      const outcomes = await Promise.allSettled(sources.map((source, i) => source.publish(next(i))));
      const won = outcomes.flatMap((outcome, i) => (outcome.status === 'fulfilled' ? [i] : []));
      expect(won).toHaveLength(1);
      expect(await sources[0]?.read()).toEqual({ loaded: next(won[0] ?? -1) });
      const lost = outcomes.flatMap((outcome) => (outcome.status === 'rejected' ? [outcome.reason] : []));
      expect(lost.map((error) => ConflictError.isInstance(error))).toEqual([true, true, true]);
    }
    await Promise.all(pools.map((own) => own.end()));
  });

  it('publishes no config that nobody could use', async () => {
    const source = table();
    // What TypeScript would refuse, as it comes from JavaScript.
    const untyped = (value: unknown) => configFromTable({ pool }).publish(value as PolyphaseConfig);
    for (const wrong of [
      undefined,
      'text',
      { revision: 1 },
      { revision: 1, entities: { a: { policy: 'x' } } },
    ])
      await expect(untyped(wrong)).rejects.toThrow(InvalidOptionsError);
    await expect(source.read()).rejects.toThrow('publish one');
  });

  it('gives way where a row was spoilt by hand', async () => {
    const source = table({ name: 'spoilt' });
    await source.publish(config(3));
    await pool.query(`update polyphase.config set config = '{"revision":"three"}' where name = 'spoilt'`);
    await source.publish(config(4));
    expect(await source.read()).toEqual({ loaded: config(4) });
  });

  it('makes its table, once, whoever comes first; or says that it is missing', async () => {
    const { rows } = await pool.query<{ name: string }>("select 'own_' || md5(random()::text) as name");
    const name = rows[0]?.name ?? '';
    await pool.query(`create database ${name}`);
    const url = new URL(database.url);
    url.pathname = `/${name}`;
    const own = new Pool({ connectionString: url.href });
    const checking = configFromTable({ pool: own, migrations: 'check' });
    await expect(checking.read()).rejects.toThrow('polyphase.config is missing');
    const outcomes = await Promise.allSettled(
      [1, 2, 3, 4].map((revision) => configFromTable({ pool: own }).publish(config(revision))),
    );
    const lost = outcomes.flatMap((outcome) => (outcome.status === 'rejected' ? [outcome.reason] : []));
    expect(lost.filter((error) => !ConflictError.isInstance(error))).toEqual([]);
    expect(await checking.read()).toEqual({ loaded: config(4) });
    await own.end();
    await pool.query(`drop database ${name} with (force)`);
  });

  it('is made with options that can be used', () => {
    const wrong = { pool, name: 'a b', poll: 0, timeoutMs: 1 };
    expect(() => configFromTable(wrong)).toThrow(/name must[\s\S]*poll must[\s\S]*timeoutMs must/);
  });
});
