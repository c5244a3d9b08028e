import { memoryDocumentStore, memoryRelationalStore } from '@polyphase/core/memory';
import { configFromTable } from '@polyphase/postgres';
import { describeWith, testDatabase } from '@polyphase/test-support/vitest';
import { Pool } from 'pg';
import { afterAll, expect, it, vi } from 'vitest';
import { createHybrid } from '../src/index.ts';
import { Note } from './virtual-world.ts';

describeWith('postgres')('a hybrid that follows config in PostgreSQL', () => {
  const database = testDatabase();
  const [pool, elsewhere] = [1, 2].map(() => new Pool({ connectionString: database.url }));
  afterAll(() => Promise.all([pool?.end(), elsewhere?.end()]));

  it('takes what another process publishes, keeps what runs where a row is bad, and lives through lost connections', async () => {
    if (!pool || !elsewhere) throw new Error('no pools');
    const publisher = configFromTable({ pool: elsewhere });
    const publish = (revision: number, policy: 'cosmos-only' | 'dual-write') =>
      publisher.publish({ revision, entities: { notes: { policy } } });
    await publish(1, 'cosmos-only');
    await using hybrid = await createHybrid({
      stores: { cosmos: memoryDocumentStore(), postgres: memoryRelationalStore() },
      entities: [Note],
      config: configFromTable({ pool, poll: 10, timeoutMs: 2_000 }),
      protocol: { poll: 5, memberLease: '1s' },
    });
    const kept: string[] = [];
    hybrid.on('configKept', ({ error }) => kept.push(String(error)));
    const wanted = () => hybrid.status('notes').wanted;
    await publish(2, 'dual-write');
    await vi.waitFor(() => expect(wanted()).toBe('2'), 10_000);

    const spoil = (text: string) => elsewhere.query('update polyphase.config set config = $1', [text]);
    await spoil('{ "revision": 3, "entities": { "notes": { "policy": "mongo" } } }');
    await vi.waitFor(() => expect(kept.at(-1)).toContain('entities.notes.policy'), 10_000);
    await spoil('{ "revision": 1, "entities": { "notes": { "policy": "cosmos-only" } } }');
    await vi.waitFor(() => expect(kept.at(-1)).toContain('lower than 2'), 10_000);
    await elsewhere.query('delete from polyphase.config');
    await vi.waitFor(() => expect(kept.at(-1)).toContain('publish one'), 10_000);
    expect(wanted()).toBe('2');

    await elsewhere.query(
      'select pg_terminate_backend(pid) from pg_stat_activity where pid <> pg_backend_pid() and datname = current_database()',
    );
    await publish(3, 'cosmos-only');
    await vi.waitFor(() => expect(wanted()).toBe('0'), 10_000);
  });
});
