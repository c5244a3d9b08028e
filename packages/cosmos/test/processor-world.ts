import { setTimeout as moment } from 'node:timers/promises';
import { type Container, CosmosClient, type Database } from '@azure/cosmos';
import type { Clock, JsonObject } from '@polyphase/core';
import { type ManualClock, manualClock } from '@polyphase/core/testing';
import { CosmosEmulator, type InProcessHttpClient } from '@polyphase/cosmos-emulator';
import {
  ChangeFeedProcessor,
  type ChangeFeedProcessorOptions,
  type ChangesContext,
  type ProcessorTrouble,
} from '../src/index.ts';

/** Length of leases in these tests, in milliseconds. */
export const LEASE_MS = 10_000;

/** The service's dates are whole seconds, so a lease may outlast its length. */
export const LEASE_OVER_MS = LEASE_MS + 2_000;

/** A processor as if in a process of its own, with what it was told. */
export interface Worker {
  readonly processor: ChangeFeedProcessor;
  /** Ids of changes, as they were handed over. */
  readonly seen: string[];
  readonly contexts: ChangesContext[];
  readonly troubles: (ProcessorTrouble & { readonly error: unknown })[];
  /** Nothing of it goes on, from this moment: its process is stopped, or dead. */
  pause(): void;
  /** It goes on as if nothing had been. */
  resume(): void;
}

/** An account on a clock of its own, with a container to process and one for leases. */
export interface World {
  readonly clock: ManualClock;
  readonly emulator: CosmosEmulator;
  readonly database: Database;
  readonly orders: Container;
  /** A processor of the name "work", unless told otherwise. */
  worker(options?: Partial<ChangeFeedProcessorOptions>): Worker;
  /** Puts documents there, one for each id, over all ranges. */
  put(ids: readonly string[], fields?: JsonObject): Promise<void>;
  split(range?: string): void;
  /** Lets time pass until something is so. */
  until(isSo: () => boolean | Promise<boolean>): Promise<void>;
  /** Lets time pass, and everything that waits for it be done. */
  pass(ms: number): Promise<void>;
  close(): Promise<void>;
}

const STEP_MS = 100;
const MOST_STEPS = 1_500;
// The driver signs requests on threads of its own: a moment of real time for each step of the clock, so that answers keep up with it.
const MOMENT_MS = 3;

/** Makes a world with so many ranges. */
export async function makeWorld(partitions: number): Promise<World> {
  const clock = manualClock();
  const emulator = new CosmosEmulator({ partitions, now: () => clock.now() });
  const client = new CosmosClient(emulator.clientOptions());
  const { database } = await client.databases.create({ id: 'app' });
  const { container: orders } = await database.containers.create({ id: 'orders', partitionKey: '/pk' });
  await database.containers.create({ id: 'leases', partitionKey: '/partition' });
  const workers: { readonly worker: Worker; readonly client: CosmosClient }[] = [];
  const pass = async (ms: number) => {
    for (let passed = 0; passed < ms; passed += STEP_MS) {
      await clock.advance(Math.min(STEP_MS, ms - passed));
      await moment(MOMENT_MS);
    }
  };
  return {
    clock,
    emulator,
    database,
    orders,
    worker: (options = {}) => {
      const made = makeWorker({ clock, emulator, options });
      workers.push(made);
      return made.worker;
    },
    put: async (ids, fields = {}) => {
      for (const id of ids) await orders.items.upsert({ id, pk: `key ${id}`, ...fields });
    },
    split: (range) =>
      emulator.split({ database: 'app', container: 'orders', ...(range === undefined ? {} : { range }) }),
    until: async (isSo) => {
      for (let i = 0; i < MOST_STEPS; i += 1) {
        if (await isSo()) return;
        await pass(STEP_MS);
      }
      throw new Error('It never came to be so.');
    },
    pass,
    close: async () => {
      for (const it of workers) {
        it.worker.resume();
        await it.worker.processor.stop({ drainMs: 0 });
        it.client.dispose();
      }
      client.dispose();
      await emulator.close();
    },
  };
}

function makeWorker({
  clock,
  emulator,
  options,
}: {
  readonly clock: ManualClock;
  readonly emulator: CosmosEmulator;
  readonly options: Partial<ChangeFeedProcessorOptions>;
}): { readonly worker: Worker; readonly client: CosmosClient } {
  const gate = makeGate();
  const ownClock: Clock = {
    now: () => clock.now(),
    monotonic: () => clock.monotonic(),
    sleep: async (ms, signal) => {
      try {
        await clock.sleep(ms, signal);
      } finally {
        await gate.pass();
      }
    },
  };
  const access = emulator.clientOptions();
  const client = new CosmosClient({ ...access, httpClient: through(access.httpClient, gate.pass) });
  const database = client.database('app');
  const seen: string[] = [];
  const contexts: ChangesContext[] = [];
  const troubles: (ProcessorTrouble & { readonly error: unknown })[] = [];
  const processor = new ChangeFeedProcessor({
    container: database.container('orders'),
    leases: database.container('leases'),
    name: 'work',
    from: 'beginning',
    pollMs: 200,
    leaseMs: LEASE_MS,
    onError: (error, trouble) => troubles.push({ ...trouble, error }),
    ...options,
    clock: ownClock,
    onChanges: async (changes, context) => {
      contexts.push(context);
      for (const { id } of changes) if (typeof id === 'string') seen.push(id);
      await options.onChanges?.(changes, context);
    },
  });
  return { worker: { processor, seen, contexts, troubles, pause: gate.shut, resume: gate.open }, client };
}

function through(inner: InProcessHttpClient, pass: () => Promise<void>): InProcessHttpClient {
  return {
    sendRequest: async (request) => {
      await pass();
      const answer = await inner.sendRequest(request);
      console.log(
        performance.now() | 0,
        request.method,
        request.url.slice(-60),
        answer.status,
        answer.bodyAsText.slice(0, 100),
      );
      await pass();
      return answer;
    },
  };
}

function makeGate() {
  let opened: Promise<void> | undefined;
  let open = () => undefined as void;
  return {
    pass: async () => opened,
    shut: () => {
      opened ??= new Promise((resolve) => (open = resolve));
    },
    open: () => {
      opened = undefined;
      open();
    },
  };
}

/** Names of documents: so many, from a number on. */
export const names = (count: number, from = 0): readonly string[] =>
  Array.from({ length: count }, (_, i) => `d${String(from + i).padStart(3, '0')}`);
