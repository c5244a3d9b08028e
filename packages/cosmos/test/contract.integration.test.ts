import {
  bindContract,
  type Capability,
  changeFeedCases,
  checkpointCases,
  contractEntities,
  leaseCases,
  permitCases,
  queryCases,
  recordCases,
  repositoryCases,
  unitOfWorkCases,
} from '@polyphase/core/testing';
import { describe, it } from 'vitest';
import { foreignWriter, setUpCosmos } from './cosmos-setup.ts';

// Dates of the service are whole seconds, and leases may outlast theirs by two: time that passes for a lease passes with room.
const DATE_STEPS_MS = 2_000;

async function subject() {
  const { store, emulator, close } = await setUpCosmos(contractEntities, {
    store: {
      control: 'contract_tasks',
      containers: { contract: 'contract_tasks', another: 'contract_tasks' },
    },
    emulator: { partitions: 2 },
  });
  return {
    store,
    foreign: foreignWriter(store),
    close,
    ...(emulator
      ? {
          serverNowMs: async () => emulator.clock.now(),
          passTime: async (ms: number) => emulator.clock.advance(ms + DATE_STEPS_MS),
        }
      : {}),
  };
}

const capabilities: readonly Capability[] = ['etag', 'single-partition', 'unique', 'foreign'];
const bound = { capabilities, it, subject };

describe('cosmos', () => {
  bindContract(recordCases, bound);
  bindContract(queryCases, bound);
  bindContract(repositoryCases, bound);
  bindContract(unitOfWorkCases, bound);
  bindContract(changeFeedCases, bound);
  bindContract(checkpointCases, bound);
  bindContract(permitCases, bound);
  bindContract(leaseCases, bound);
});
