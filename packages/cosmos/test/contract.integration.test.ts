import { bindContract, contractEntities, queryCases, recordCases } from '@polyphase/core/testing';
import { describe, it } from 'vitest';
import { foreignWriter, setUpCosmos } from './cosmos-setup.ts';

const subject = async () => {
  const { store, emulator, close } = await setUpCosmos(contractEntities, {
    store: { control: 'contract_tasks' },
    emulator: { partitions: 2 },
  });
  const now = emulator?.clock;
  return {
    store,
    foreign: foreignWriter(store),
    close,
    ...(now ? { serverNowMs: async () => now.now() } : {}),
  };
};

const capabilities = ['etag', 'single-partition', 'unique', 'foreign'] as const;

describe('cosmos records', () => {
  bindContract(recordCases, { capabilities: [...capabilities], it, subject });
});

describe('cosmos queries', () => {
  bindContract(queryCases, { capabilities: [...capabilities], it, subject });
});
