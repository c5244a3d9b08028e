import { EntitySchema, MikroORM } from '@mikro-orm/postgresql';
import { Pool } from 'pg';
import type { Account } from '../account.ts';
import type { Contender, Ground } from '../contender.ts';
import { fillAccounts } from './pg-raw.ts';

type Row = { -readonly [Field in keyof Account]: Account[Field] } & { version: number };

const AccountSchema = new EntitySchema<Row>({
  name: 'accounts',
  tableName: 'accounts',
  properties: {
    tenantId: { type: 'text', fieldName: 'tenant_id', primary: true },
    id: { type: 'text', primary: true },
    email: { type: 'text' },
    name: { type: 'text' },
    age: { type: 'double' },
    active: { type: 'boolean' },
    createdAt: { type: 'text', fieldName: 'created_at' },
    profile: { type: 'json' },
    version: { type: 'integer', default: 1 },
  },
});

/** MikroORM, a unit of work for each call. */
export async function makeMikroOrm(ground: Ground): Promise<Contender> {
  const pool = new Pool({ connectionString: ground.url, max: 1 });
  await fillAccounts(pool, ground.accounts);
  await pool.end();
  const orm = await MikroORM.init({
    clientUrl: ground.url,
    entities: [AccountSchema],
    pool: { min: 0, max: ground.connections },
    discovery: { warnWhenNoEntities: false },
  });
  const versions = new Map(ground.accounts.map(({ id }) => [id, 1]));
  return {
    name: 'mikro-orm',
    get: ({ tenantId, id }) => orm.em.fork().findOne(AccountSchema, { tenantId, id }),
    insert: (account) => orm.em.fork().insert(AccountSchema, { ...account, version: 1 }),
    update: async (account) => {
      const version = versions.get(account.id) ?? 1;
      const { tenantId, id } = account;
      const changed = await orm.em
        .fork()
        .nativeUpdate(AccountSchema, { tenantId, id, version }, { ...account, version: version + 1 });
      if (changed !== 1) throw new Error('the update met another version');
      versions.set(account.id, version + 1);
    },
    query100: (tenantId) =>
      orm.em
        .fork()
        .find(AccountSchema, { tenantId }, { orderBy: { createdAt: 'asc', id: 'asc' }, limit: 100 }),
    getMany100: (accounts) =>
      orm.em.fork().find(AccountSchema, { $or: accounts.map(({ tenantId, id }) => ({ tenantId, id })) }),
    close: () => orm.close(),
  };
}
