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
import { foreignWriter, liveEndpoint, setUpCosmos } from './cosmos-setup.ts';

// Dates of the service are whole seconds, and leases may outlast theirs by two: time that passes for a lease passes with room.
const DATE_STEPS_MS = 2_000;

async function subject(tls: boolean) {
  const { store, emulator, close } = await setUpCosmos(contractEntities, {
    store: {
      control: 'contract_tasks',
      containers: { contract: 'contract_tasks', another: 'contract_tasks' },
    },
    emulator: { partitions: 2 },
    tls,
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

// An account elsewhere is reached in one way only.
const ways =
  liveEndpoint === undefined
    ? [
        { way: 'inside the process', tls: false },
        { way: 'over TLS', tls: true },
      ]
    : [{ way: 'on an account', tls: false }];

describe.each(ways)('cosmos $way', ({ tls }) => {
  const bound = { capabilities, it, subject: () => subject(tls) };
  bindContract(recordCases, bound);
  bindContract(queryCases, bound);
  bindContract(repositoryCases, bound);
  bindContract(unitOfWorkCases, bound);
  bindContract(changeFeedCases, bound);
  bindContract(checkpointCases, bound);
  bindContract(permitCases, bound);
  bindContract(leaseCases, bound);
});
