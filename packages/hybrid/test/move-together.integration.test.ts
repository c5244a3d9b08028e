import { CosmosClient, PartitionKeyDefinitionVersion } from '@azure/cosmos';
import { defineEntity, isPolyphaseError } from '@polyphase/core';
import { compositeIndexesFor, cosmosStore } from '@polyphase/cosmos';
import { CosmosEmulator } from '@polyphase/cosmos-emulator';
import { postgresStore } from '@polyphase/postgres';
import { describeWith, testDatabase } from '@polyphase/test-support/vitest';
import { Pool } from 'pg';
import { afterAll, expect, test, vi } from 'vitest';
import { z } from 'zod';
import { createHybrid, type HybridStores } from '../src/index.ts';
import { protocol } from './virtual-world.ts';

const key = { partition: 'tenantId', id: 'id' } as const;
const schema = z.object({ id: z.string(), tenantId: z.string(), cents: z.number() });
const Account = defineEntity({ name: 'accounts', schema, key });
const Payment = defineEntity({ name: 'payments', schema, key });
const TENANTS = ['t1', 't2', 't3'];

describeWith('postgres')('two entities of one container that units of work change together', () => {
  const database = testDatabase();
  const pool = new Pool({ connectionString: database.url, max: 8 });
  afterAll(() => pool.end());

  test('move there and back in one step: no unit is refused, and every account is the sum of its payments', async () => {
    const client = new CosmosClient(new CosmosEmulator({ partitions: 2 }).clientOptions());
    const { database: app } = await client.databases.create({ id: 'app' });
    await app.containers.create({
      id: 'app',
      partitionKey: { paths: ['/tenantId'], version: PartitionKeyDefinitionVersion.V2 },
      indexingPolicy: {
        compositeIndexes: [...compositeIndexesFor(Account), ...compositeIndexesFor(Payment)],
      },
    });
    const map = {
      accounts: { container: 'app', discriminator: { type: 'account' } },
      payments: { container: 'app', discriminator: { type: 'payment' } },
    };
    const stores: HybridStores = {
      cosmos: cosmosStore({ database: app, map }),
      postgres: postgresStore({ pool, timeoutMs: 5_000 }),
    };
    let revision = 0;
    const config = (policy: 'dual-write' | 'postgres-primary') => {
      revision += 1;
      const wanted = { policy, flip: 'auto' } as const;
      const entities = { accounts: wanted, payments: wanted };
      return { loaded: { revision, entities, groups: { billing: ['payments', 'accounts'] } } };
    };
    const open = () =>
      createHybrid<HybridStores, readonly [typeof Account, typeof Payment]>({
        stores,
        entities: [Account, Payment],
        config: config('dual-write'),
        protocol: { ...protocol, hold: '5s' },
      });
    // Two processes: one of them walks, and the other learns of each row by itself.
    await using hybrid = await open();
    await using service = await open();
    for (const tenantId of TENANTS) await hybrid.repository(Account).create({ tenantId, id: 'a', cents: 0 });

    const over = new AbortController();
    let paid = 0;
    const refused: string[] = [];
    const pay = async (tenantId: string): Promise<void> => {
      for (let i = 1; !over.signal.aborted; i += 1) {
        const payment = { tenantId, id: `${i}`, cents: i };
        try {
          await service.transaction(
            async (unit) => {
              const account = await unit.repository(Account).get({ tenantId, id: 'a' });
              const cents = (account?.value.cents ?? 0) + i;
              await unit.repository(Payment).create(payment);
              await unit.repository(Account).patch({ tenantId, id: 'a' }, { cents });
            },
            { operationId: `${tenantId}-${i}` },
          );
          paid += 1;
        } catch (error) {
          if (!isPolyphaseError(error) || !error.retryable) {
            refused.push(String(error));
            return;
          }
          i -= 1;
        }
      }
    };
    const paying = Promise.all(TENANTS.map(pay));
    const reached = (phase: string) =>
      vi.waitFor(
        () => {
          const at = [hybrid.status('accounts'), hybrid.status('payments')];
          expect(at.map((status) => [status.phase, status.blockedBy])).toEqual([
            [phase, []],
            [phase, []],
          ]);
        },
        { timeout: 30_000, interval: 20 },
      );
    const terms: string[] = [];
    for (const one of [hybrid, service])
      one.on('phase', ({ entity, to, term }) => {
        if (to === '6' || to === '2') terms.push(`${entity} ${to} ${term}`);
      });
    await reached('2');
    for (const [policy, phase] of [
      ['postgres-primary', '6'],
      ['dual-write', '2'],
    ] as const) {
      const before = paid;
      const next = config(policy);
      await service.configure(next);
      await hybrid.configure(next);
      await reached(phase);
      await vi.waitFor(() => expect(paid).toBeGreaterThan(before), { timeout: 10_000 });
    }
    over.abort();
    await paying;
    expect(refused).toEqual([]);
    for (const tenantId of TENANTS) {
      const account = await hybrid.repository(Account).get({ tenantId, id: 'a' });
      let sum = 0;
      let cursor: string | undefined;
      do {
        const page = await hybrid.repository(Payment).query({ where: { tenantId }, limit: 200, cursor });
        for (const { value } of page.items) sum += value.cents;
        cursor = page.cursor;
      } while (cursor !== undefined);
      expect(account?.value.cents).toBe(sum);
    }
    expect(terms.filter((it) => it.includes(' 6 '))).toEqual(
      expect.arrayContaining(['accounts 6 2', 'payments 6 2']),
    );
    client.dispose();
  }, 90_000);
});
