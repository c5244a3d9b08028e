import {
  authorityOf,
  type CallOptions,
  type Entity,
  InvalidOptionsError,
  type JsonObject,
  lifetimeOf,
} from '@polyphase/core';
import type { DrillStores } from './drill-stores.ts';

const CHUNK = 100;
// What expires sooner may be gone before its writer comes round again.
const MIN_LIFETIME_S = 60;

/** Records of an entity, as a drill takes them. */
export interface DrillSample {
  readonly entity: Entity<object>;
  readonly values: readonly JsonObject[];
  /** Records that were met and not taken. */
  readonly leftOut: number;
}

/**
 * Reads some records of an entity, in the store that is its authority. Nothing is written.
 *
 * @throws {@link InvalidOptionsError} when there is none that a drill could write again
 */
export async function takeSample(
  { entity, stores }: { readonly entity: Entity<object>; readonly stores: DrillStores },
  limit: number,
  options: CallOptions,
): Promise<DrillSample> {
  const row = await stores.postgres.control.read(entity.name, options);
  const records = stores[authorityOf(row?.phase ?? '0')].records(entity);
  const values: JsonObject[] = [];
  let leftOut = 0;
  for await (const page of records.scan(options)) {
    for (let at = 0; at < page.length && values.length < limit; at += CHUNK) {
      const keys = page.slice(at, at + CHUNK).map(({ key }) => key);
      for (const record of await records.readMany(keys, options)) {
        if (record?.value === undefined || values.length >= limit) continue;
        if (isFit(entity, record.value)) values.push(record.value);
        else leftOut += 1;
      }
    }
    if (values.length >= limit) break;
  }
  if (values.length > 0) return { entity, values, leftOut };
  throw new InvalidOptionsError({
    message:
      leftOut > 0
        ? `A drill could take none of the ${leftOut} records of "${entity.name}": the schema refuses them, or they expire within ${MIN_LIFETIME_S} s. Mend the schema or the documents`
        : `"${entity.name}" has no record that a drill could take; write some first`,
  });
}

function isFit(entity: Entity, value: JsonObject): boolean {
  const lifetime = lifetimeOf(entity, value);
  return (lifetime === undefined || lifetime >= MIN_LIFETIME_S) && entity.issues(value).length === 0;
}
