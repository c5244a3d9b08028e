import type { Redis } from 'ioredis';

/** Removes the keys that begin with a prefix from these servers, key by key: on a cluster they do not share a slot. */
export async function unlinkAll(masters: readonly Redis[], prefix: string): Promise<void> {
  for (const master of masters) {
    const found = master.scanStream({ match: `${prefix}*`, count: 1_000 }) as AsyncIterable<string[]>;
    for await (const keys of found) await Promise.all(keys.map((key) => master.unlink(key)));
  }
}
