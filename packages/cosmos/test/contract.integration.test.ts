import type { Database } from '@azure/cosmos';
import type { Entity, JsonObject } from '@polyphase/core';
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
import type { CosmosEmulator } from '@polyphase/cosmos-emulator';
import { describe, expect, it } from 'vitest';
import type { CosmosStore } from '../src/index.ts';
import { foreignWriter, liveEndpoint, setUpCosmos } from './cosmos-setup.ts';

// Dates of the service are whole seconds, and leases may outlast theirs by two: time that passes for a lease passes with room.
const DATE_STEPS_MS = 2_000;

// A live account splits when it wants to.
const splitting =
  (database: Database, emulator: CosmosEmulator, store: CosmosStore) => async (entity: Entity) => {
    const place = { database: database.id, container: store.container(entity).id };
    const { resources } = await store.container(entity).readPartitionKeyRanges().fetchAll();
    for (const { id } of resources) emulator.split({ ...place, range: id });
  };

async function subject(tls: boolean) {
  const { store, database, emulator, close } = await setUpCosmos(contractEntities, {
    store: {
      control: 'contract_tasks',
      map: { contract: { container: 'contract_tasks' }, another: { container: 'contract_tasks' } },
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
          split: splitting(database, emulator, store),
        }
      : {}),
  };
}

// Every entity shares its container with documents of another program, which nobody must see or change.
async function sharedSubject() {
  const kindOf = (entity: Entity) => ({ kind: entity.name });
  const places = contractEntities.map((entity) => [entity.name, { discriminator: kindOf(entity) }]);
  const container = { container: 'contract_tasks' };
  const { store, database, emulator, close } = await setUpCosmos(contractEntities, {
    store: {
      control: 'contract_tasks',
      map: { ...Object.fromEntries(places), contract: container, another: container },
    },
    emulator: { partitions: 2 },
  });
  const others: [Entity, JsonObject][] = contractEntities.flatMap((entity) =>
    ['other', 'another'].map((id): [Entity, JsonObject] => [entity, otherDocument(id)]),
  );
  for (const [entity, document] of others) await store.container(entity).items.create({ ...document });
  return {
    store,
    foreign: foreignWriter(store, kindOf),
    close: async () => {
      for (const [entity, document] of others) {
        const query = 'SELECT * FROM c WHERE c.kind = "other"';
        const { resources } = await store.container(entity).items.query<unknown>(query).fetchAll();
        expect(resources).toContainEqual(expect.objectContaining(document));
        for (const there of resources) expect(there).not.toHaveProperty('_h');
      }
      await close();
    },
    ...(emulator
      ? {
          serverNowMs: async () => emulator.clock.now(),
          passTime: async (ms: number) => emulator.clock.advance(ms + DATE_STEPS_MS),
          split: splitting(database, emulator, store),
        }
      : {}),
  };
}

const otherDocument = (id: string): JsonObject => ({
  id,
  kind: 'other',
  email: id,
  badge: id,
  seat: id,
  tenantId: 't1',
  scope: 't1',
  genre: 't1',
  site: 's1',
  sensor: { line: 'l1' },
  year: 1,
  rank: 1,
  title: 'other',
});

const capabilities: readonly Capability[] = [
  'etag',
  'single-partition',
  'unique',
  'not-unique-global',
  'expiry',
  'foreign',
  ...(liveEndpoint === undefined ? (['split'] as const) : []),
];

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

describe('cosmos, beside documents of another program', () => {
  const shared = { capabilities, it, subject: sharedSubject };
  bindContract(recordCases, shared);
  bindContract(queryCases, shared);
  bindContract(unitOfWorkCases, shared);
  bindContract(changeFeedCases, shared);
});
