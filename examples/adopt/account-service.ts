// One service, twice: as it was, over the raw SDK, and as it becomes. Both keep the same documents.
import type { Container, JSONObject } from '@azure/cosmos';
import { defineEntity, type EntityValue, type RepositoryOf } from '@polyphase/hybrid';
import { z } from 'zod';

/** What the rest of the program calls. */
export interface AccountService {
  open(account: Account): Promise<void>;
  find(tenantId: string, id: string): Promise<Account | undefined>;
  rename(tenantId: string, id: string, email: string): Promise<void>;
  newest(tenantId: string): Promise<readonly string[]>;
  close(tenantId: string, id: string): Promise<void>;
}

/** The entity of the documents that are there: `type` tells them apart, and stays out of the values. */
export const Account = defineEntity({
  name: 'accounts',
  schema: z.object({ id: z.string(), tenantId: z.string(), email: z.string(), openedAt: z.number() }),
  key: { partition: 'tenantId', id: 'id' },
  indexes: [{ fields: ['openedAt'] }],
});
type Account = EntityValue<typeof Account>;

/** As it was. */
export function rawAccounts(container: Container): AccountService {
  return {
    async open(account) {
      await container.items.create({ ...account, type: 'account' });
    },
    async find(tenantId, id) {
      const { resource } = await container.item(id, tenantId).read<Account & JSONObject>();
      return resource;
    },
    async rename(tenantId, id, email) {
      const { resource, etag } = await container.item(id, tenantId).read<Account & JSONObject>();
      if (resource === undefined) throw new Error('no such account');
      const accessCondition = { type: 'IfMatch', condition: etag };
      await container.item(id, tenantId).replace({ ...resource, email }, { accessCondition });
    },
    async newest(tenantId) {
      const query = {
        query:
          'SELECT VALUE c.id FROM c WHERE c.type = "account" AND c.tenantId = @t ORDER BY c.openedAt DESC OFFSET 0 LIMIT 3',
        parameters: [{ name: '@t', value: tenantId }],
      };
      return (await container.items.query<string>(query, { partitionKey: tenantId }).fetchAll()).resources;
    },
    async close(tenantId, id) {
      await container.item(id, tenantId).delete();
    },
  };
}

/** As it becomes: the store behind it is a matter of config. */
export function movedAccounts(accounts: RepositoryOf<typeof Account>): AccountService {
  return {
    async open(account) {
      await accounts.create(account);
    },
    async find(tenantId, id) {
      return (await accounts.get({ tenantId, id }))?.value;
    },
    async rename(tenantId, id, email) {
      await accounts.patch({ tenantId, id }, { email });
    },
    async newest(tenantId) {
      const page = await accounts.query({ where: { tenantId }, orderBy: [['openedAt', 'desc']], limit: 3 });
      return page.items.map(({ value }) => value.id);
    },
    async close(tenantId, id) {
      await accounts.delete({ tenantId, id });
    },
  };
}
