import { defineEntity, type JsonObject, type Phase } from '@polyphase/core';
import { memoryDocumentStore, memoryRelationalStore } from '@polyphase/core/memory';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { z } from 'zod';
import { createHybrid, type EntityStatus } from './index.ts';

const Note = defineEntity({
  name: 'notes',
  schema: z.object({ id: z.string(), owner: z.string(), text: z.string() }),
  key: { partition: 'owner', id: 'id' },
  indexes: [{ fields: ['text'] }],
});

// Everything as in production, only shorter.
const protocol = {
  lease: 600,
  armedLease: 200,
  sealTimeout: '5s',
  poll: 5,
  memberLease: '2s',
  soak: 0,
} as const;

const open: { close(): Promise<void> }[] = [];
afterEach(async () => {
  for (const hybrid of open.splice(0)) await hybrid.close();
});

async function start(
  stores = { cosmos: memoryDocumentStore(), postgres: memoryRelationalStore() },
  policy: JsonObject = { policy: 'cosmos-only' },
  revision = 1,
) {
  const hybrid = await createHybrid({
    stores,
    entities: [Note],
    config: { loaded: { revision, entities: { notes: policy } } },
    protocol,
  });
  open.push(hybrid);
  const phases: Phase[] = [];
  hybrid.on('phase', ({ to }) => phases.push(to));
  hybrid.on('trouble', (it) => console.log('trouble', it));
  hybrid.on('blocked', (it) => console.log('blocked', JSON.stringify(it)));
  const reached = (phase: Phase) =>
    vi.waitFor(() => expect(hybrid.status('notes').phase).toBe(phase), { timeout: 10_000, interval: 5 });
  const wish = async (next: JsonObject) => {
    revision += 1;
    return hybrid.configure({ loaded: { revision, entities: { notes: next } } });
  };
  return {
    hybrid,
    stores,
    notes: hybrid.repository(Note),
    phases,
    reached,
    wish,
    status: (): EntityStatus => hybrid.status('notes'),
  };
}

describe('createHybrid', () => {
  it('walks from Cosmos to PostgreSQL and back while records are written', async () => {
    const { notes, reached, wish, phases, status, stores } = await start();
    stores.cosmos.foreign.put(Note, { id: 'old', owner: 'a', text: 'before the SDK', extra: { kept: true } });
    await notes.create({ id: '1', owner: 'a', text: 'one' });

    let stop = false;
    const acknowledged = new Map<string, string>();
    const writer = (async () => {
      for (let i = 0; !stop; i += 1) {
        const id = `w${i % 20}`;
        await notes.upsert({ id, owner: 'a', text: `${i}` });
        acknowledged.set(id, `${i}`);
        const seen = await notes.get({ owner: 'a', id });
        expect(seen?.value.text).toBe(`${i}`);
        await new Promise((resolve) => setImmediate(resolve));
      }
    })();

    const steps = await wish({ policy: 'postgres-primary', flip: 'auto' });
    expect(steps.map((step) => step.to)).toEqual(['1', '2', '3', '4', '5', '6']);
    await reached('6');
    expect(await notes.get({ owner: 'a', id: 'old' })).toMatchObject({ value: { extra: { kept: true } } });
    await wish({ policy: 'dual-write', flip: 'auto' });
    await reached('2');
    stop = true;
    await writer;
    expect(phases).toEqual(['1', '2', '3', '4', '5', '6', "5'", '2']);
    expect(status().term).toBe(3);
    for (const [id, text] of acknowledged) {
      const key = { partition: ['a'], id };
      expect((await stores.cosmos.records(Note).read(key))?.value?.['text']).toBe(text);
      await vi.waitFor(async () =>
        expect((await stores.postgres.records(Note).read(key))?.value?.['text']).toBe(text),
      );
    }
  }, 30_000);
});
