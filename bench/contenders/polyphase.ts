import {
  defineEntity,
  type JsonObject,
  keyOfValue,
  type RecordCopy,
  type Repository,
  recordDigest,
  StoreRepository,
  type Version,
} from '@polyphase/core';
import { createHybrid } from '@polyphase/hybrid';
import { type PostgresStore, postgresStore } from '@polyphase/postgres';
import { Pool } from 'pg';
import { z } from 'zod';
import { type Account, rowsPerTenant } from '../account.ts';
import type { Contender, Ground } from '../contender.ts';

/** Accounts as the SDK knows them. */
export const AccountEntity = defineEntity({
  name: 'accounts',
  schema: z.object({
    id: z.string(),
    tenantId: z.string(),
    email: z.email(),
    name: z.string(),
    age: z.number(),
    active: z.boolean(),
    createdAt: z.iso.datetime(),
    profile: z.object({ city: z.string(), tags: z.array(z.string()), about: z.string() }),
  }),
  key: { partition: 'tenantId', id: 'id' },
  indexes: [{ fields: ['createdAt'] }],
});
type Key = { readonly id: string; readonly tenantId: string };

interface Opened {
  /** Stores copies as backfill and relays do, where that is measured. */
  readonly bulk?: Contender['bulk'];
  readonly repository: Repository<Account, Key>;
  readonly close: () => Promise<void>;
}

/** The PostgreSQL adapter by itself, values checked. */
export async function makeAdapter(ground: Ground): Promise<Contender> {
  return contender('polyphase, adapter', ground, async (store) => {
    await store.prepare([AccountEntity]);
    const records = store.records(AccountEntity);
    return {
      repository: fenced(store, undefined),
      close: async () => undefined,
      bulk: {
        over: true,
        ready: (page, version) => {
          const copies = page.map((account) => copyOf(account, version));
          return () => records.apply(copies);
        },
      },
    };
  });
}

/** The whole of the SDK in phase 7: gate, lease and fence. */
export async function makePhase7(ground: Ground): Promise<Contender> {
  return contender('polyphase, phase 7', ground, async (store) => {
    const hybrid = await createHybrid({
      stores: { postgres: store },
      entities: [AccountEntity],
      config: { revision: 1, entities: { accounts: { policy: 'postgres-primary', reverseSync: false } } },
    });
    return { repository: hybrid.repository(AccountEntity), close: () => hybrid.close() };
  });
}

/** What a write costs in phase 6: the fence, and the dirty key in the statement of the row. */
export async function makePhase6(ground: Ground): Promise<Contender> {
  return contender('polyphase, phase 6', ground, async (store) => {
    await store.prepare([AccountEntity]);
    const wish = { phase: '6', flip: 'manual', revision: 1 } as const;
    await store.control.create({ group: 'accounts', epoch: 1, phase: '6', term: 1, wish });
    return { repository: fenced(store, 'accounts'), close: async () => undefined };
  });
}

// A copy comes from Cosmos DB with its digest.
function copyOf(account: Account, counter: number): RecordCopy {
  const value: JsonObject = { ...account };
  const digest = recordDigest(value);
  const operations = [{ id: account.id, term: 1, counter }];
  return {
    record: {
      key: keyOfValue(AccountEntity, value),
      version: { term: 1, counter },
      value,
      digest,
      operations,
    },
  };
}

function fenced(store: PostgresStore, fence: string | undefined): Repository<Account, Key> {
  const records = store.records(AccountEntity);
  return new StoreRepository({
    entity: AccountEntity,
    store: {
      read: (key, options) => records.read(key, options),
      getMany: (keys, options) => records.getMany(keys, options),
      query: (plan, options) => records.query(plan, options),
      write: (intent, options) => records.write(intent, { ...options, term: 1, fence }),
    },
  });
}

async function contender(
  name: string,
  ground: Ground,
  open: (store: PostgresStore) => Promise<Opened>,
): Promise<Contender> {
  const pool = new Pool({ connectionString: ground.url, max: ground.connections });
  const { repository, close, bulk } = await open(postgresStore({ pool }));
  const versions = new Map<string, Version>();
  for (const account of ground.accounts) versions.set(account.id, (await repository.create(account)).version);
  await pool.query('analyze accounts');
  return {
    name,
    get: ({ tenantId, id }) => repository.get({ tenantId, id }),
    insert: (account) => repository.create(account),
    update: async (account) => {
      const ifVersion = versions.get(account.id);
      const { version } = await repository.replace(account, ifVersion === undefined ? {} : { ifVersion });
      versions.set(account.id, version);
    },
    query100: async (tenantId) =>
      (await repository.query({ where: { tenantId }, orderBy: [['createdAt', 'asc']], limit: rowsPerTenant }))
        .items,
    getMany100: (accounts) => repository.getMany(accounts.map(({ tenantId, id }) => ({ tenantId, id }))),
    ...(bulk ? { bulk } : {}),
    close: async () => {
      await close();
      await pool.end();
    },
  };
}
