import {
  atomicApplyCases,
  bindContract,
  contractEntities,
  controlCases,
  leaseCases,
  recordCases,
  repositoryCases,
  unitOfWorkCases,
} from '@polyphase/core/testing';
import { type Engine, startPgBouncer } from '@polyphase/test-support';
import { describeWith, testDatabase } from '@polyphase/test-support/vitest';
import { Pool } from 'pg';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { type PostgresStore, postgresStore } from '../src/index.ts';
import { copy, Note } from './support.ts';

const SDK_TABLES = ['control', 'lease', 'checkpoint', 'dirty_key', 'journal'];

const versions = [
  { version: 'one that hands names through', keepsNames: false },
  { version: 'one that keeps names', keepsNames: true },
];

describeWith('postgres').each(versions)(
  'behind PgBouncer in transaction mode, $version',
  ({ keepsNames }) => {
    const database = testDatabase();
    const direct = new Pool({ connectionString: database.url });
    // The pool has ended before the server has noticed, and then the database is dropped with whoever is still in it.
    direct.on('connect', (client) => client.on('error', () => undefined));
    let bouncer: Engine;
    let pool: Pool;
    let store: PostgresStore;
    beforeAll(async () => {
      bouncer = await startPgBouncer(database.url, { keepsNames });
      pool = new Pool({ connectionString: bouncer.url, max: 20 });
      store = postgresStore({ pool, schema: 'contract' });
      await store.prepare(contractEntities);
    });
    afterAll(async () => {
      await pool?.end();
      await direct.end();
      await bouncer?.stop();
    });

    const subject = async () => {
      const tables = [
        ...contractEntities.map(({ name }) => `contract."${name}"`),
        ...SDK_TABLES.map((name) => `polyphase.${name}`),
      ];
      await direct.query(`truncate ${tables.join(', ')}`);
      return { store };
    };
    const binding = {
      capabilities: ['base', 'atomic-apply', 'multi-partition', 'unique'] as const,
      it,
      subject,
    };
    bindContract(recordCases, binding);
    bindContract(repositoryCases, binding);
    bindContract(unitOfWorkCases, binding);
    bindContract(atomicApplyCases, binding);
    bindContract(controlCases, binding);
    bindContract(leaseCases, binding);

    it('pages that are large enough for COPY go through', async () => {
      await store.prepare([Note]);
      const notes = store.records(Note);
      const copies = Array.from({ length: 200 }, (_, i) => copy(`c${i}`, 1));
      for (const kind of ['applied', 'same'])
        for (const outcome of await notes.apply(copies)) expect(outcome.kind).toBe(kind);
      expect(await notes.count()).toBe(200);
    });

    it('nothing is left set or locked on the connections of the server', async () => {
      const { rows } = await direct.query(
        `select pid, mode from pg_locks where locktype = 'advisory' and database = (select oid from pg_database where datname = current_database())`,
      );
      expect(rows).toEqual([]);
    });

    it('statements are prepared on the server where names are kept, and only what asks for that where they are not', async () => {
      const { rows } = await pool.query<{ name: string; statement: string }>(
        'select name, statement from pg_prepared_statements',
      );
      const ofRecords = rows.filter(({ statement }) => statement.includes('contract'));
      expect(ofRecords.length > 0).toBe(keepsNames);
      expect(rows.some(({ name }) => name.startsWith('PGBOUNCER_'))).toBe(keepsNames);
    });
  },
);
