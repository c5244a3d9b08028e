import {
  type ControlRow,
  defineEntity,
  type JsonObject,
  type Phase,
  type RecordCopy,
  type RecordKey,
  recordDigest,
  type WriteIntent,
} from '@polyphase/core';
import { Pool, type PoolClient, type PoolConfig } from 'pg';
import { vi } from 'vitest';
import { z } from 'zod';
import type { PostgresPool } from '../src/index.ts';

export const Note = defineEntity({
  name: 'notes',
  schema: z.object({
    id: z.string(),
    tenant: z.string(),
    text: z.string().optional(),
    n: z.number().optional(),
  }),
  key: { partition: 'tenant', id: 'id' },
});

export const Login = defineEntity({
  name: 'logins',
  schema: z.object({ id: z.string(), tenant: z.string(), email: z.string() }),
  key: { partition: 'tenant', id: 'id' },
  indexes: [{ fields: ['email'], unique: 'partition' }],
});

export const keyOf = (id: string): RecordKey => ({ partition: ['t'], id });

export const upsert = (
  id: string,
  fields: JsonObject = {},
  operationId: string = crypto.randomUUID(),
): WriteIntent => ({
  kind: 'upsert',
  key: keyOf(id),
  operationId,
  value: { id, tenant: 't', ...fields },
});

export const copy = (id: string, counter: number, fields: JsonObject = {}, term = 1): RecordCopy => {
  const value = { id, tenant: 't', ...fields };
  return {
    record: {
      key: keyOf(id),
      version: { term, counter },
      value,
      digest: recordDigest(value),
      operations: [],
    },
  };
};

export const controlRow = (group: string, phase: Phase, term = 2): ControlRow => ({
  group,
  epoch: 1,
  phase,
  term,
  wish: { phase: '6', flip: 'auto', revision: 1 },
});

/** Resolves once the query answers with a row. */
export async function appears(pool: Pool, query: string): Promise<void> {
  await vi.waitFor(
    async () => {
      const { rowCount } = await pool.query(query);
      if (rowCount === 0) throw new Error(`nothing yet: ${query}`);
    },
    { timeout: 10_000, interval: 10 },
  );
}

/** A pool that counts the requests and the connections that are used. */
export function countingPool(config: PoolConfig) {
  const pool = new Pool(config);
  const clients = new Map<PoolClient, PoolClient>();
  const seen = { pool, clients, requests: 0 };
  const counted = (client: PoolClient): PoolClient =>
    new Proxy(client, {
      get: (target, name) => {
        if (name === 'query') seen.requests += 1;
        const value: unknown = Reflect.get(target, name);
        return typeof value === 'function' ? value.bind(target) : value;
      },
    });
  const counting: PostgresPool = {
    options: pool.options,
    on: (event, listener) => pool.on(event, listener),
    connect: async () => {
      const client = await pool.connect();
      const known = clients.get(client) ?? counted(client);
      clients.set(client, known);
      return known;
    },
  };
  return { pool, counting, seen };
}
