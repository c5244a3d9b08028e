import { bindContract, cacheCases } from '@polyphase/core/testing';
import { describeWith, testRedis } from '@polyphase/test-support/vitest';
import { Redis } from 'ioredis';
import { afterAll, test } from 'vitest';
import { redisStore } from '../src/index.ts';

describeWith('redis')('the contract of the cache', () => {
  const { url, prefix } = testRedis();
  const client = new Redis(url, { lazyConnect: true });
  afterAll(() => client.disconnect());
  let number = 0;

  bindContract(cacheCases, {
    capabilities: ['flush'],
    it: test,
    subject: async () => {
      const own = `${prefix}${(number += 1)}:`;
      return {
        // contracts are about order; a busy machine must not run them into a time-out
        store: redisStore({ client, prefix: own, timeoutMs: 10_000 }),
        // the server is shared by the run: only this case's keys go
        flush: async () => {
          for await (const keys of client.scanStream({ match: `${own}*`, count: 1_000 }) as AsyncIterable<
            string[]
          >)
            if (keys.length > 0) await client.unlink(...keys);
        },
      };
    },
  });
});
