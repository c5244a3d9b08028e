import {
  ConnectionError,
  compareVersions,
  type Entity,
  firstCounter,
  RESERVED_ID_PREFIX,
  type RecordKey,
  type StoredRecord,
  TOMBSTONE_DIGEST,
} from '@polyphase/core';
import { withinTime } from '../time-limit.ts';
import { answer, type Gate, type GatePlace } from './gate.ts';

const NAME = 'a canary went there and back';
const WANTED = 'from Cosmos DB to PostgreSQL and back';

/**
 * What a flip and the way back lean on works now, in the container and the table themselves: a marker goes through the feed into
 * PostgreSQL, and a reserved tombstone from a row of PostgreSQL into Cosmos DB. Queries, counts and the feed show neither.
 */
export const thereAndBack: Gate = {
  name: NAME,
  look: async (place, signal) => {
    const { clock, limits } = place.group;
    const wanted = `${WANTED} within ${limits.maxLagMs} ms: a process with the role "relay" reads the change feed, and this one may write to both stores`;
    const startedAt = clock.monotonic();
    let hop = 'Cosmos DB → PostgreSQL';
    const late = () => new ConnectionError({ message: 'The canary did not come back in time' });
    try {
      return await withinTime({ clock, ms: limits.maxLagMs, signal, late }, async (bounded) => {
        await place.watch?.drain(bounded);
        const thereMs = Math.round(clock.monotonic() - startedAt);
        hop = 'PostgreSQL → Cosmos DB';
        const cameBack = await flyBack(place, bounded);
        const backMs = Math.round(clock.monotonic() - startedAt) - thereMs;
        const seen = cameBack
          ? `Cosmos DB → PostgreSQL in ${thereMs} ms, PostgreSQL → Cosmos DB in ${backMs} ms`
          : `${hop}: what was written is not what was read`;
        return [answer(NAME, cameBack, seen, wanted)];
      });
    } catch (error) {
      if (signal.aborted || !ConnectionError.isInstance(error)) throw error;
      return [answer(NAME, false, `${hop}: ${error.message}`, wanted)];
    }
  },
  foresee: 'left to the step',
};

// Through the row, the mapping and the conditional write by which every record would go.
async function flyBack({ group, watch }: GatePlace, signal: AbortSignal): Promise<boolean> {
  const { entity, row } = group;
  const key = canaryKey(entity);
  const postgres = group.records('postgres');
  const cosmos = group.records('cosmos');
  const before = await postgres.read(key, { signal });
  const nowMs = (await watch?.serverNowMs(signal)) ?? 0;
  const version = {
    term: row?.term ?? 1,
    counter: Math.max(firstCounter(nowMs), (before?.version.counter ?? 0) + 1),
  };
  const canary: StoredRecord = { key, version, value: undefined, digest: TOMBSTONE_DIGEST, operations: [] };
  await postgres.apply([{ record: canary }], {
    judgedIn: row && { group: row.group, term: row.term },
    signal,
  });
  const there = await postgres.read(key, { signal });
  if (!there) return false;
  await cosmos.apply([{ record: there }], { signal });
  const back = await cosmos.read(key, { signal });
  // Another process may have sent one meanwhile.
  return back !== undefined && back.value === undefined && compareVersions(back.version, version) >= 0;
}

/** The key of the canary: no record has one like it. */
function canaryKey({ name, key }: Entity): RecordKey {
  return {
    partition: key.partition.map(() => `${RESERVED_ID_PREFIX}polyphase`),
    id: `${RESERVED_ID_PREFIX}canary:${name}`,
  };
}
