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
import type { DrillStores } from './drill-stores.ts';

const CLAIM_MS = 30_000;

/** What a drill needs to know of where it takes place. */
export interface DrillPlace {
  readonly entity: Entity<object>;
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
  const { entity, stores, scratch, clock } = place;
  if (scratch.cosmos === stores.cosmos || scratch.postgres === stores.postgres)
    throw refused(entity, 'are the stores where it lives; give others');
  await scratch.cosmos.prepare([entity], options);
  // Without the entity's table, which is nobody's to make in a database that may be another.
  await scratch.postgres.prepare([], options);
  const name = `drill ${entity.name}`;
  const holder = `drill-${crypto.randomUUID()}`;
  const { leases } = scratch.postgres;
  const lease = new HeldLease({ leases, name, holder, durationMs: CLAIM_MS, clock });
  if (!(await lease.take(options.signal)))
    throw refused(entity, 'are being prepared by another drill; give others, or wait until it has ended');
  try {
    // Whoever finds the lease in both has one database before it.
    const there = await stores.postgres.leases.list(name, options);
    if (there.get(name)?.holder === holder)
      throw refused(
        entity,
        'share the PostgreSQL database where it lives: the control row is one for each database, whatever the schema; give another database',
      );
    await refuseUsed(place, options);
    await scratch.postgres.prepare([entity], options);
    for await (const page of scratch.postgres.records(entity).scan(options))
      if (page.length > 0) throw refused(entity, 'hold rows of it; give a database that is empty');
    await refuseUnfit(place, options);
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
  { entity, scratch, clock }: DrillPlace,
  { values, lease }: { readonly values: readonly JsonObject[]; readonly lease: HeldLease },
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
        entity,
        'are written to by somebody else, or two records of the sample share a unique value; give stores of their own',
        error,
      );
    });
    seeded.push({ value, operationId, version });
  }
  return seeded;
}

// Neither records, nor what is left of a walk, a copy or a drill of before, which would be gone on with.
async function refuseUsed({ entity, scratch }: DrillPlace, options: CallOptions): Promise<void> {
  const { cosmos, postgres } = scratch;
  const { name } = entity;
  if (await postgres.control.read(name, options))
    throw refused(entity, 'have a control row of it in PostgreSQL; give a database that is empty');
  if ((await postgres.checkpoints.list(checkpointName(entity, ''), options)).size > 0)
    throw refused(entity, 'hold checkpoints of a copy in PostgreSQL; give a database that is empty');
  const { deadLetters, conflicts } = await postgres.journal.count(name, options);
  if (deadLetters + conflicts > 0)
    throw refused(entity, 'hold entries of it in the journal of PostgreSQL; give a database that is empty');
  if (await cosmos.permits.read(name, options))
    throw refused(entity, 'have a permit of it in Cosmos DB; give a container that is empty');
  for await (const page of cosmos.records(entity).scan(options))
    if (page.length > 0) throw refused(entity, 'hold documents of it; give a container that is empty');
}

// What the gates of the walk would refuse, told before it begins.
async function refuseUnfit({ entity, scratch }: DrillPlace, options: CallOptions): Promise<void> {
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

function refused(entity: Entity, why: string, cause?: unknown): InvalidOptionsError {
  return new InvalidOptionsError({ message: `The scratch stores of "${entity.name}" ${why}`, cause });
}
