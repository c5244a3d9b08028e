import {
  type Clock,
  type Entity,
  InvalidOptionsError,
  isTransientError,
  type Phase,
  type RecordHost,
  retryTransient,
  systemClock,
} from '@polyphase/core';
import { createHybrid } from '../hybrid.ts';
import type { HybridStores } from '../hybrid-options.ts';
import { type ProtocolOptions, protocolLimits } from '../protocol-limits.ts';
import { SDK_VERSION } from '../sdk-version.ts';
import { type DrillReceipt, keepReceipt, withdrawReceipt } from './drill-receipt.ts';
import { type DrillSample, takeSample } from './drill-sample.ts';
import { claimScratch, type DrillPlace, type Seeded, seedScratch } from './drill-scratch.ts';
import type { DrillStores } from './drill-stores.ts';
import { DrillTraffic } from './drill-traffic.ts';
import { courseConfig, type Drilled, DrillWalk } from './drill-walk.ts';
import { toldError } from './told-error.ts';

/** What {@link drill} takes. */
export interface DrillOptions {
  /** One entity, or all those that move together (`groups` of the config). */
  readonly entities: readonly Entity<object>[];
  /** Where the sample is taken from, and the receipt kept. Nothing else is written there. */
  readonly stores: DrillStores;
  /** Containers and a database of their own, which hold nothing of the entities. What is left there is yours to drop. */
  readonly scratch: DrillStores;
  /** Records of each entity that are taken, at most. @default 1000 */
  readonly sample?: number;
  /** Callers that write each entity while it walks. @default 4 */
  readonly callers?: number;
  /** Times of the protocol: give those of production, so that the drill shows what a flip will hold. @default those of the options */
  readonly protocol?: ProtocolOptions;
  /** Longest time that one step may take, in milliseconds. @default 300000 */
  readonly patienceMs?: number;
  /** Where time comes from. @default the machine's clock */
  readonly clock?: Clock;
  /** Is told each phase as it is reached. */
  readonly onPhase?: (phase: Phase, entity: string) => void;
  /** Aborts the drill: it rejects with the signal's reason, and keeps no receipt. */
  readonly signal?: AbortSignal;
}

/** How a drill ended. */
export type DrillResult =
  /** A receipt for each entity, in their order. */
  | { readonly passed: true; readonly receipts: readonly DrillReceipt[] }
  /** What went wrong, a line for each thing, without values. No receipt was kept, and those of before were withdrawn. */
  | { readonly passed: false; readonly wrongs: readonly string[] };

// A look reads every record of the sample, twice.
const LOOK_MS = 500;
const SETTLE_MS = 30_000;
const MOST_LINES = 20;

/**
 * Walks an entity, or a group of them, to PostgreSQL and back under load, on scratch stores that are seeded with a sample of the records, by the
 * same code and gates as the real walk: 0 to 6 and back to 2, then to 7 and back over 7r and 6 to 2. Each write is taken only on top of the
 * acknowledged one before it, and in the end both stores must hold the last one of every record.
 *
 * A drill that passed keeps a receipt for each entity in the real PostgreSQL, for the gate 3 → 4 (`protocol.drillAge`). One that did not withdraws
 * the receipts of before. One that was aborted, or whose process died, leaves them as they were.
 *
 * @throws {@link InvalidOptionsError} when an option is wrong; when the scratch stores are those of the entity, hold something of it, do not
 * fit it, or are another drill's; when there is nothing to take a sample of. Whatever the stores throw before the walk, or where the receipt
 * is to be kept; the signal's reason
 *
 * @example
 * ```ts
 * import { defineEntity } from '@polyphase/core';
 * import { memoryDocumentStore, memoryRelationalStore } from '@polyphase/core/memory';
 * import { drill } from '@polyphase/hybrid';
 * import { z } from 'zod';
 *
 * const Account = defineEntity({
 *   name: 'accounts',
 *   schema: z.object({ id: z.string(), tenantId: z.string() }),
 *   key: { partition: 'tenantId', id: 'id' },
 * });
 * const stores = { cosmos: memoryDocumentStore(), postgres: memoryRelationalStore() };
 *
 * const result = await drill({
 *   entities: [Account],
 *   stores,
 *   scratch: { cosmos: memoryDocumentStore(), postgres: memoryRelationalStore() },
 * });
 * if (!result.passed) console.error(result.wrongs.join('\n'));
 * ```
 */
export async function drill(options: DrillOptions): Promise<DrillResult> {
  const { entities, stores, scratch, signal, clock = systemClock } = options;
  checkOptions(options);
  const place: DrillPlace = { entities, stores, scratch, clock };
  // The receipts need a place in the end, which is better known now.
  await stores.postgres.prepare([], { signal });
  const samples: DrillSample[] = [];
  for (const entity of entities)
    samples.push(await takeSample({ entity, stores }, options.sample ?? 1_000, { signal }));
  const lease = await claimScratch(place, { signal });
  try {
    const seeds: (readonly Seeded[])[] = [];
    for (const sample of samples) seeds.push(await seedScratch(place, { ...sample, lease }, { signal }));
    const hybrid = await openScratch(place, options);
    // From here on the control rows keep others away, whether or not the lease could be given up.
    await lease.leave().catch(() => undefined);
    return await run(place, { options, hybrid, samples, seeds });
  } finally {
    await lease.leave().catch(() => undefined);
  }
}

function checkOptions(options: DrillOptions): void {
  const { entities, sample = 1, callers = 1, patienceMs = 1, protocol = {} } = options;
  protocolLimits(protocol);
  const problems = Object.entries({ sample, callers, patienceMs })
    .filter(([, value]) => !Number.isInteger(value) || value < 1)
    .map(([name]) => `${name} must be a whole number, 1 or more`);
  if (entities.length === 0) problems.push('entities must name one, or all of a group');
  if (problems.length > 0)
    throw new InvalidOptionsError({ message: 'The options of the drill are not usable', problems });
}

async function openScratch(
  { entities, scratch, clock }: DrillPlace,
  { protocol = {}, signal }: DrillOptions,
): Promise<Drilled> {
  // The receipt that a drill is to bring cannot be asked for on its way; and nobody soaks for a day in what is dropped afterwards.
  const { drillAge: _, ...times } = protocol;
  return createHybrid<HybridStores, readonly Entity<object>[]>({
    stores: { cosmos: scratch.cosmos, postgres: scratch.postgres },
    entities,
    config: courseConfig(
      entities.map(({ name }) => name),
      0,
    ),
    clock,
    protocol: { ...times, soak: 0 },
    processName: 'drill',
    ...(signal && { signal }),
  });
}

interface Drilling {
  readonly options: DrillOptions;
  readonly hybrid: Drilled;
  /** In the order of the entities, as what was seeded of them. */
  readonly samples: readonly DrillSample[];
  readonly seeds: readonly (readonly Seeded[])[];
}

async function run(place: DrillPlace, { options, hybrid, samples, seeds }: Drilling): Promise<DrillResult> {
  const { clock } = place;
  const { signal, onPhase, callers = 4, patienceMs = 300_000 } = options;
  const traffic = samples.map(({ entity }, i) => {
    const repository = hybrid.repository(entity);
    return new DrillTraffic({ entity, repository, clock, seeded: seeds[i] ?? [], signal });
  });
  const walk = new DrillWalk({ hybrid, traffic, clock, patienceMs, signal, onPhase });
  const stop = () => Promise.all(traffic.map((it) => it.stop()));
  try {
    for (const it of traffic) it.start(callers);
    const late = await walk.walk();
    await stop();
    const lost = await lostWrites(place, traffic, signal);
    signal?.throwIfAborted();
    const wrongs = [...traffic.flatMap((it) => it.wrongs), ...(late === undefined ? [] : [late]), ...lost];
    if (wrongs.length > 0) return await failed(place, wrongs);
    const endedAt = new Date(clock.now()).toISOString();
    const receipts = samples.map(({ entity, values, leftOut }, i) => ({
      entity: entity.name,
      sdkVersion: SDK_VERSION,
      fingerprint: entity.fingerprint,
      endedAt,
      sampled: values.length,
      leftOut,
      acknowledged: traffic[i]?.acknowledged ?? 0,
      ...walk.trackOf(entity.name),
    }));
    for (const receipt of receipts)
      await retryTransient(() => keepReceipt(place.stores.postgres.checkpoints, receipt, { signal }), {
        clock,
        signal,
      });
    return { passed: true, receipts };
  } finally {
    await stop();
    await hybrid.close();
  }
}

// Both stores follow each other to the end; what still differs then, differs.
async function lostWrites(
  { scratch, clock }: DrillPlace,
  traffic: readonly DrillTraffic[],
  signal: AbortSignal | undefined,
): Promise<readonly string[]> {
  const end = clock.monotonic() + SETTLE_MS;
  const look = async (host: RecordHost, name: string): Promise<readonly string[]> => {
    try {
      const missing: string[] = [];
      for (const it of traffic) missing.push(...(await it.missingIn(host)));
      return missing.map((line) => `${name}: ${line}`);
    } catch (error) {
      if (!isTransientError(error)) throw error;
      return [`${name}: could not be looked at in the end: ${toldError(error)}`];
    }
  };
  for (;;) {
    const lost = [
      ...(await look(scratch.cosmos, 'Cosmos DB')),
      ...(await look(scratch.postgres, 'PostgreSQL')),
    ];
    if (lost.length === 0 || clock.monotonic() > end) return lost;
    await clock.sleep(LOOK_MS, signal);
  }
}

async function failed(
  { entities, stores, clock }: DrillPlace,
  wrongs: readonly string[],
): Promise<DrillResult> {
  const shown = wrongs.slice(0, MOST_LINES);
  if (wrongs.length > MOST_LINES) shown.push(`… and ${wrongs.length - MOST_LINES} more`);
  try {
    for (const { name } of entities)
      await retryTransient(() => withdrawReceipt(stores.postgres.checkpoints, name), { clock });
  } catch (error) {
    shown.push(`receipts of before, if there are any, could not be withdrawn: ${toldError(error)}`);
  }
  return { passed: false, wrongs: shown };
}
