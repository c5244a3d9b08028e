import {
  atomicApplyCases,
  bindContract,
  checkpointCases,
  contractEntities,
  controlCases,
  dirtyKeyCases,
  journalCases,
  leaseCases,
  memberCases,
  queryCases,
  recordCases,
  repositoryCases,
  shadowTallyCases,
  unitOfWorkCases,
} from '@polyphase/core/testing';
import { describeWith, testDatabase } from '@polyphase/test-support/vitest';
import { Pool } from 'pg';
import { afterAll, beforeAll, it } from 'vitest';
import { type PostgresStore, postgresStore } from '../src/index.ts';

const SDK_TABLES = ['control', 'lease', 'checkpoint', 'dirty_key', 'journal', 'shadow_tally'];

// What takes a second connection while it holds one hangs where there is one alone.
describeWith('postgres').each([10, 1])(
  'PostgreSQL keeps the contracts, with %i connections at most',
  (max) => {
    const database = testDatabase();
    const pool = new Pool({ connectionString: database.url, max });
    const store = postgresStore({ pool, schema: 'contract' });
    beforeAll(() => store.prepare(contractEntities));
    afterAll(() => pool.end());

    const subject = async (): Promise<{ readonly store: PostgresStore; serverNowMs(): Promise<number> }> => {
      const tables = [
        ...contractEntities.map(({ name }) => `contract."${name}"`),
        ...SDK_TABLES.map((name) => `polyphase.${name}`),
      ];
      await pool.query(`truncate ${tables.join(', ')}`);
      return {
        store,
        serverNowMs: async () => {
          const { rows } = await pool.query<{ now: number }>(
            'select (extract(epoch from clock_timestamp()) * 1000)::float8 as now',
          );
          return rows[0]?.now ?? 0;
        },
      };
    };
    // Whoever asks around a unit that is open needs a connection besides the unit's.
    const fits = ({ name }: { readonly name: string }) =>
      max > 1 || !/outside|become true together|of each beat/.test(name);
    const binding = {
      capabilities: ['base', 'atomic-apply', 'multi-partition', 'unique', 'unique-global', 'expiry'] as const,
      it,
      subject,
    };

    bindContract(recordCases, binding);
    bindContract(queryCases, binding);
    bindContract(repositoryCases, binding);
    bindContract(unitOfWorkCases.filter(fits), binding);
    bindContract(atomicApplyCases, binding);
    bindContract(controlCases, binding);
    bindContract(leaseCases, binding);
    bindContract(memberCases.filter(fits), binding);
    bindContract(shadowTallyCases, binding);
    bindContract(checkpointCases, binding);
    bindContract(dirtyKeyCases, binding);
    bindContract(journalCases, binding);
  },
);
