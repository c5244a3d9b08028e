import {
  AlreadyExistsError,
  type CallOptions,
  type Clock,
  type Entity,
  HeldLease,
  InvalidOptionsError,
  type JsonObject,
  repositoryIn,
  retryTransient,
  type Version,
} from '@polyphase/core';
import { checkpointName } from '../relay/checkpoint-name.ts';
import type { DrillSample } from './drill-sample.ts';
import type { DrillStores } from './drill-stores.ts';

const CLAIM = 'drill';
const CLAIM_MS = 30_000;

/** What a drill needs to know of where it takes place. */
export interface DrillPlace {
  /** One entity, or those that move together. */
  readonly entities: readonly Entity<object>[];
  readonly stores: DrillStores;
  readonly scratch: DrillStores;
  readonly clock: Clock;
}

/** A record of the sample, as it was stored in the scratch container. */
export interface Seeded {
  readonly value: JsonObject;
  readonly operationId: string;
  readonly version: Version;
}

/**
 * Makes sure that scratch stores are nobody's data, are none of the entity's own, and fit it; and keeps other drills off them for as long
 * as the lease is held. Before that is certain, nothing is written but the SDK's own empty tables and the lease.
 *
 * @throws {@link InvalidOptionsError} that says which store it is and what to give instead; whatever the stores throw
 */
export async function claimScratch(place: DrillPlace, options: CallOptions): Promise<HeldLease> {
  const { entities, stores, scratch, clock } = place;
  const all = entities.map(({ name }) => name);
  if (scratch.cosmos === stores.cosmos || scratch.postgres === stores.postgres)
    throw refused(all, 'are the real ones; give others');
  await scratch.cosmos.prepare(entities, options);
  // Without the entities' tables, which are nobody's to make in a database that may be another.
  await scratch.postgres.prepare([], options);
  const holder = `drill-${crypto.randomUUID()}`;
  const { leases } = scratch.postgres;
  const lease = new HeldLease({ leases, name: CLAIM, holder, durationMs: CLAIM_MS, clock });
  if (!(await lease.take(options.signal)))
    throw refused(all, 'are being prepared by another drill; give others, or wait until it has ended');
  try {
    // Whoever finds the lease in both has one database before it.
    const there = await stores.postgres.leases.list(CLAIM, options);
    if (there.get(CLAIM)?.holder === holder)
      throw refused(
        all,
        'share the PostgreSQL database of the real ones: the control row is one for each database, whatever the schema; give another database',
      );
    for (const entity of entities) await refuseUsed(entity, scratch, options);
    await scratch.postgres.prepare(entities, options);
    for (const entity of entities) await refuseUnfit(entity, scratch, options);
    return lease;
  } catch (error) {
    // What was found is told, whether or not the lease could be given up: it ends by itself.
    await lease.leave().catch(() => undefined);
    throw error;
  }
}

/**
 * Stores a sample in the scratch container.
 *
 * @throws {@link InvalidOptionsError} when somebody else writes there; whatever the store throws
 */
export async function seedScratch(
  { scratch, clock }: DrillPlace,
  { entity, values, lease }: { readonly lease: HeldLease } & Pick<DrillSample, 'entity' | 'values'>,
  { signal }: CallOptions,
): Promise<readonly Seeded[]> {
  const repository = repositoryIn(scratch.cosmos, entity);
  const seeded: Seeded[] = [];
  for (const value of values) {
    const operationId = crypto.randomUUID();
    await lease.keep(signal);
    const create = () => repository.create(value, { operationId, signal });
    const { version } = await retryTransient(create, { clock, signal }).catch((error: unknown) => {
      if (!AlreadyExistsError.isInstance(error)) throw error;
      throw refused(
        [entity.name],
        'are written to by somebody else, or two records of the sample share a unique value; give stores of their own',
        error,
      );
    });
    seeded.push({ value, operationId, version });
  }
  return seeded;
}

// Neither records, nor what is left of a walk, a copy or a drill of before, which would be gone on with.
async function refuseUsed(entity: Entity, scratch: DrillStores, options: CallOptions): Promise<void> {
  const { cosmos, postgres } = scratch;
  const { name } = entity;
  const refuse = (why: string) => refused([name], why);
  if (await postgres.control.read(name, options))
    throw refuse('have a control row of it in PostgreSQL; give a database that is empty');
  if ((await postgres.checkpoints.list(checkpointName(entity, ''), options)).size > 0)
    throw refuse('hold checkpoints of a copy in PostgreSQL; give a database that is empty');
  const { deadLetters, conflicts } = await postgres.journal.count(name, options);
  if (deadLetters + conflicts > 0)
    throw refuse('hold entries of it in the journal of PostgreSQL; give a database that is empty');
  if (await cosmos.permits.read(name, options))
    throw refuse('have a permit of it in Cosmos DB; give a container that is empty');
  for await (const page of cosmos.records(entity).scan(options))
    if (page.length > 0) throw refuse('hold documents of it; give a container that is empty');
}

// Rows, and what the gates of the walk would refuse, told before it begins.
async function refuseUnfit(entity: Entity, scratch: DrillStores, options: CallOptions): Promise<void> {
  for await (const page of scratch.postgres.records(entity).scan(options))
    if (page.length > 0) throw refused([entity.name], 'hold rows of it; give a database that is empty');
  const answers = [
    ...(await scratch.cosmos.verify(entity, options)),
    ...(await scratch.postgres.verify(entity, options)),
  ];
  const problems = answers
    .filter(({ passed }) => !passed)
    .map(({ seen, wanted }) => `${seen} (wanted: ${wanted})`);
  if (problems.length > 0)
    throw new InvalidOptionsError({ message: `The scratch stores do not fit "${entity.name}"`, problems });
}

function refused(names: readonly string[], why: string, cause?: unknown): InvalidOptionsError {
  const message = `The scratch stores of ${names.map((name) => `"${name}"`).join(', ')} ${why}`;
  return new InvalidOptionsError({ message, cause });
}
