import 'reflect-metadata';
import { Pool } from 'pg';
import { DataSource, EntitySchema } from 'typeorm';
import type { Account } from '../account.ts';
import type { Contender, Ground } from '../contender.ts';
import { fillAccounts } from './pg-raw.ts';

type Row = { -readonly [Field in keyof Account]: Account[Field] } & { version: number };

const AccountSchema = new EntitySchema<Row>({
  name: 'accounts',
  columns: {
    tenantId: { name: 'tenant_id', type: 'text', primary: true },
    id: { type: 'text', primary: true },
    email: { type: 'text' },
    name: { type: 'text' },
    age: { type: 'double precision' },
    active: { type: 'boolean' },
    createdAt: { name: 'created_at', type: 'text' },
    profile: { type: 'jsonb' },
    version: { type: 'int', default: 1 },
  },
});

/** TypeORM, by its repository. */
export async function makeTypeorm(ground: Ground): Promise<Contender> {
  const pool = new Pool({ connectionString: ground.url, max: 1 });
  await fillAccounts(pool, ground.accounts);
  await pool.end();
  const source = new DataSource({
    type: 'postgres',
    url: ground.url,
    entities: [AccountSchema],
    poolSize: ground.connections,
  });
  await source.initialize();
  const repository = source.getRepository(AccountSchema);
  const versions = new Map(ground.accounts.map(({ id }) => [id, 1]));
  return {
    name: 'typeorm',
    get: ({ tenantId, id }) => repository.findOneBy({ tenantId, id }),
    insert: (account) => repository.insert({ ...account, version: 1 }),
    update: async (account) => {
      const version = versions.get(account.id) ?? 1;
      const { tenantId, id } = account;
      const { affected } = await repository.update(
        { tenantId, id, version },
        { ...account, version: version + 1 },
      );
      if (affected !== 1) throw new Error('the update met another version');
      versions.set(account.id, version + 1);
    },
    query100: (tenantId) =>
      repository.find({ where: { tenantId }, order: { createdAt: 'asc', id: 'asc' }, take: 100 }),
    getMany100: (accounts) =>
      repository.find({ where: accounts.map(({ tenantId, id }) => ({ tenantId, id })) }),
    close: () => source.destroy(),
  };
}
