import { describe, it } from 'vitest';
import {
  bindContract,
  type Capability,
  contractEntities,
  manualClock,
  queryCases,
  recordCases,
} from '../testing/index.ts';
import { memoryDocumentStore, memoryRelationalStore } from './index.ts';

async function documents() {
  const clock = manualClock();
  const store = memoryDocumentStore({ clock, ranges: 3 });
  await store.prepare(contractEntities);
  return {
    store,
    foreign: store.foreign,
    passTime: (ms: number) => clock.advance(ms),
    serverNowMs: async () => clock.now(),
  };
}

async function rows() {
  const clock = manualClock();
  const store = memoryRelationalStore({ clock });
  await store.prepare(contractEntities);
  return { store, passTime: (ms: number) => clock.advance(ms), serverNowMs: async () => clock.now() };
}

describe('memory documents', () => {
  const capabilities: readonly Capability[] = ['etag', 'single-partition', 'unique', 'foreign'];
  const binding = { capabilities, it, subject: documents };
  bindContract(recordCases, binding);
  bindContract(queryCases, binding);
});

describe('memory rows', () => {
  const capabilities: readonly Capability[] = ['base', 'atomic-apply', 'multi-partition', 'unique'];
  const binding = { capabilities, it, subject: rows };
  bindContract(recordCases, binding);
  bindContract(queryCases, binding);
});
