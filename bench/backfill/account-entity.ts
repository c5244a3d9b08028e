import { defineEntity } from '@polyphase/core';
import { z } from 'zod';

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
