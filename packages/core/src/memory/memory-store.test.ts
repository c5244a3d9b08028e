import { describe, it } from 'vitest';
import type { Entity } from '../entity.ts';
import type { JsonValue } from '../json.ts';
import {
  atomicApplyCases,
  bindContract,
  type Capability,
  cacheCases,
  changeFeedCases,
  checkpointCases,
  configSourceCases,
  contractEntities,
  controlCases,
  dirtyKeyCases,
  journalCases,
  leaseCases,
  manualClock,
  memberCases,
  permitCases,
  queryCases,
  recordCases,
  repositoryCases,
  shadowTallyCases,
  unitOfWorkCases,
} from '../testing/index.ts';
import { memoryCacheStore, memoryConfigSource, memoryDocumentStore, memoryRelationalStore } from './index.ts';

async function documents() {
  const clock = manualClock();
  const store = memoryDocumentStore({ clock, ranges: 3 });
  await store.prepare(contractEntities);
  const passTime = (ms: number) => clock.advance(ms);
  const split = async (entity: Entity) => {
    for (const range of await store.changes(entity).ranges()) store.split(entity, range.id);
  };
  return { store, foreign: store.foreign, passTime, split, serverNowMs: async () => clock.now() };
}

async function rows() {
  const clock = manualClock();
  const store = memoryRelationalStore({ clock });
  await store.prepare(contractEntities);
  return { store, passTime: (ms: number) => clock.advance(ms), serverNowMs: async () => clock.now() };
}

async function cache() {
  const clock = manualClock();
  const store = memoryCacheStore({ clock });
  return { store, passTime: (ms: number) => clock.advance(ms), flush: async () => store.flush() };
}

describe('memory documents', () => {
  const capabilities: readonly Capability[] = [
    'etag',
    'single-partition',
    'unique',
    'not-unique-global',
    'expiry',
    'foreign',
    'split',
  ];
  const binding = { capabilities, it, subject: documents };
  bindContract(recordCases, binding);
  bindContract(queryCases, binding);
  bindContract(repositoryCases, binding);
  bindContract(unitOfWorkCases, binding);
  bindContract(changeFeedCases, binding);
  bindContract(permitCases, binding);
  bindContract(leaseCases, binding);
  bindContract(checkpointCases, binding);
});

describe('memory rows', () => {
  const capabilities: readonly Capability[] = [
    'base',
    'atomic-apply',
    'multi-partition',
    'unique',
    'unique-global',
    'expiry',
  ];
  const binding = { capabilities, it, subject: rows };
  bindContract(recordCases, binding);
  bindContract(queryCases, binding);
  bindContract(repositoryCases, binding);
  bindContract(unitOfWorkCases, binding);
  bindContract(atomicApplyCases, binding);
  bindContract(controlCases, binding);
  bindContract(dirtyKeyCases, binding);
  bindContract(journalCases, binding);
  bindContract(memberCases, binding);
  bindContract(shadowTallyCases, binding);
  bindContract(leaseCases, binding);
  bindContract(checkpointCases, binding);
});

describe('memory cache', () => {
  bindContract(cacheCases, { capabilities: ['flush'], it, subject: cache });
});

describe('memory config', () => {
  const subject = async () => {
    const source = memoryConfigSource();
    const put = async (config: JsonValue) => source.put(config);
    return { store: { source, put, remove: async () => source.remove() } };
  };
  bindContract(configSourceCases, { capabilities: ['hot-reload'], it, subject });
});
