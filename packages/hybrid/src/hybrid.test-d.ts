import { defineEntity, type EntityValue, type Version } from '@polyphase/core';
import { memoryCacheStore, memoryDocumentStore, memoryRelationalStore } from '@polyphase/core/memory';
import { type PostgresStore } from '@polyphase/postgres';
import type { Kysely } from 'kysely';
import { z } from 'zod';
import { createHybrid, type HybridRepository } from './index.ts';

const Account = defineEntity({
  name: 'accounts',
  schema: z.object({
    id: z.string(),
    tenantId: z.string(),
    email: z.string(),
    age: z.number().optional(),
  }),
  key: { partition: 'tenantId', id: 'id' },
  indexes: [{ fields: ['email'] }],
});
type Account = EntityValue<typeof Account>;
const Session = defineEntity({
  name: 'sessions',
  schema: z.object({ id: z.string(), user: z.string() }),
  key: { partition: 'user', id: 'id' },
});

const cosmos = memoryDocumentStore();
const postgres = memoryRelationalStore();
const cache = memoryCacheStore();
const config = { revision: 1, entities: { accounts: { policy: 'cosmos-only' } } } as const;

/** What an application sees of a repository. */
export async function repositories(): Promise<void> {
  const hybrid = await createHybrid({ stores: { cosmos, postgres }, entities: [Account], config });
  const accounts: HybridRepository<Account, { readonly tenantId: string; readonly id: string }> =
    hybrid.repository(Account);
  const stored = await accounts.get({ tenantId: 't', id: '1' });
  const email: string | undefined = stored?.value.email;
  const version: Version | undefined = stored?.version;
  await accounts.patch({ tenantId: 't', id: '1' }, { age: null, email: email ?? '' }, { ifVersion: version });
  await accounts.query({
    where: { email: { startsWith: 'a' }, age: { gte: 18 } },
    orderBy: [['email', 'asc']],
  });

  // @ts-expect-error a key needs its partition
  await accounts.get({ id: '1' });
  // @ts-expect-error the id is text
  await accounts.get({ tenantId: 't', id: 1 });
  // @ts-expect-error no such field
  await accounts.patch({ tenantId: 't', id: '1' }, { phone: '1' });
  // @ts-expect-error the field is text
  await accounts.patch({ tenantId: 't', id: '1' }, { email: 1 });
  // @ts-expect-error no such field
  await accounts.query({ where: { phone: '1' } });
  // @ts-expect-error a field is missing
  await accounts.create({ id: '1', tenantId: 't' });
  // @ts-expect-error a version is what a read or a write gave out
  await accounts.delete({ tenantId: 't', id: '1' }, { ifVersion: '1.1' });
  // @ts-expect-error the entity is not registered
  hybrid.repository(Session);
  // @ts-expect-error the entity is not registered
  hybrid.status('sessions');
  // @ts-expect-error no such notice
  hybrid.on('phases', () => undefined);
}

/** What a compiler says to configs. */
export async function configs(): Promise<void> {
  const entities = [Account, Session] as const;
  const fit = { policy: 'cosmos-only' } as const;
  const hybrid = await createHybrid({
    stores: { cosmos, postgres, cache },
    entities,
    config: {
      revision: 1,
      entities: {
        accounts: { policy: 'cached', ttl: '5m', over: { policy: 'postgres-primary', reverseSync: false } },
        sessions: { policy: 'dual-write', reads: 'postgres', maxStaleness: 500, flip: 'auto' },
      },
    },
  });
  await hybrid.configure({ loaded: JSON.parse('{}') });
  const shadow = { policy: 'dual-write', reads: 'shadow', shadow: { sample: 0.5 } } as const;
  const partial = { policy: 'dual-write', reads: { postgres: { percent: 5, partitions: ['t1'] } } } as const;
  await hybrid.configure({ revision: 2, entities: { accounts: shadow, sessions: partial } });
  const share: number = hybrid.status('accounts').shadow.shapes[0]?.noise.agreed ?? 0;
  hybrid.on('shadowMismatch', ({ entity, shape, kind, keys }) => [entity, shape, kind, keys, share]);
  // @ts-expect-error cosmos-only has nothing to compare with
  await hybrid.configure({ revision: 2, entities: { accounts: { ...fit, shadow: {} }, sessions: fit } });
  // @ts-expect-error an entity is missing
  await hybrid.configure({ revision: 2, entities: { accounts: fit } });
  // @ts-expect-error no such entity
  await hybrid.configure({ revision: 2, entities: { accounts: fit, sessions: fit, ghosts: fit } });
  // @ts-expect-error no such policy
  await hybrid.configure({ revision: 2, entities: { accounts: fit, sessions: { policy: 'mongo' } } });
  const twice = { policy: 'cached', ttl: 1, over: { policy: 'cached', ttl: 1, over: fit } } as const;
  // @ts-expect-error cached over cached
  await hybrid.configure({ revision: 2, entities: { accounts: fit, sessions: twice } });
}

/** What a compiler says to policies whose store was not given. */
export async function policies(): Promise<void> {
  const entities = [Account] as const;
  const one = <const Policy>(policy: Policy) => ({ revision: 1, entities: { accounts: policy } }) as const;
  await createHybrid({ stores: { cosmos }, entities, config: one({ policy: 'cosmos-only' }) });
  await createHybrid({ stores: { postgres }, entities, config: one({ policy: 'postgres-primary' }) });
  // @ts-expect-error PostgreSQL is missing
  await createHybrid({ stores: { cosmos }, entities, config: one({ policy: 'dual-write' }) });
  // @ts-expect-error PostgreSQL is missing
  await createHybrid({ stores: { cosmos }, entities, config: one({ policy: 'postgres-primary' }) });
  // @ts-expect-error Cosmos DB is missing
  await createHybrid({ stores: { postgres }, entities, config: one({ policy: 'cosmos-only' }) });
  const cached = one({ policy: 'cached', ttl: '1m', over: { policy: 'cosmos-only' } });
  await createHybrid({ stores: { cosmos, cache }, entities, config: cached });
  // @ts-expect-error the cache is missing
  await createHybrid({ stores: { cosmos }, entities, config: cached });
}

/** What SQL inside a unit knows of the application's tables. */
export async function sqlInside(store: PostgresStore<{ audit: { id: string } }>): Promise<void> {
  const over = { entities: [Account], config } as const;
  const hybrid = await createHybrid({ stores: { cosmos, postgres: store }, ...over });
  await hybrid.transaction(
    async ({ kysely }) => {
      const same: Kysely<{ audit: { id: string } }> = kysely;
      const rows: { id: string }[] = await same.selectFrom('audit').selectAll().execute();
      // @ts-expect-error the id is text
      await kysely.insertInto('audit').values({ id: rows.length }).execute();
      // @ts-expect-error no such table
      kysely.selectFrom('ghosts');
      await kysely.withTables<{ ghosts: { id: string } }>().selectFrom('ghosts').selectAll().execute();
    },
    { postgresOnly: true },
  );
  const memory = await createHybrid({ stores: { cosmos, postgres }, ...over });
  // @ts-expect-error the memory store has no SQL
  await memory.transaction(async ({ kysely }) => kysely.selectFrom('audit'));
  const alone = await createHybrid({ stores: { cosmos }, ...over });
  // @ts-expect-error there is no store of rows
  await alone.transaction(async ({ kysely }) => kysely.selectFrom('audit'));
}
