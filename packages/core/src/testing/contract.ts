import { systemClock } from '../clock.ts';
import type { Entity } from '../entity.ts';
import type { JsonObject } from '../json.ts';
import type { RecordKey } from '../key.ts';

/**
 * What a store can do beyond the rest. A case that needs more than was declared is not produced.
 *
 * - `etag`: records have ETags and `apply` takes `ifEtag` (documents)
 * - `base`: records keep what they descend from (rows)
 * - `atomic-apply`: `apply` commits with a checkpoint and journal entries (rows)
 * - `multi-partition`: a unit of work spans partitions and entities; `single-partition`: it refuses to
 * - `unique`: `unique: "partition"` indexes are enforced
 * - `unique-global`: `unique: "global"` indexes are enforced (rows); `not-unique-global`: they are not (documents)
 * - `expiry`: records of entities that declare `ttl` expire
 * - `foreign`: the subject can write around the SDK
 * - `split`: the subject can split a range of a change feed
 * - `flush`: the subject can empty the cache
 * - `hot-reload`: a config source tells of changes while it is watched
 */
export type Capability =
  | 'etag'
  | 'base'
  | 'atomic-apply'
  | 'multi-partition'
  | 'single-partition'
  | 'unique'
  | 'unique-global'
  | 'not-unique-global'
  | 'expiry'
  | 'foreign'
  | 'split'
  | 'flush'
  | 'hot-reload';

/** Writes around the SDK, as an older program does: no checks, no stamp, deletes without a tombstone. */
export interface ForeignWriter {
  /** Writes a document as another program would: without a stamp, over whatever is there. */
  put(entity: Entity, value: JsonObject): Promise<void>;
  /** Removes a document as another program would: leaving no tombstone. */
  remove(entity: Entity, key: RecordKey): Promise<void>;
}

/** What a case runs against: a store that is prepared for `contractEntities` and has nothing in it yet. */
export interface ContractSubject<Store> {
  readonly store: Store;
  /** For the capability `foreign`. */
  readonly foreign?: ForeignWriter;
  /** Lets the store's clock pass. Called with half a second at most. @default waits that long */
  passTime?(ms: number): Promise<void>;
  /** The store's own date in milliseconds. @default this process's, which may be a minute off */
  serverNowMs?(): Promise<number>;
  /** Puts two ranges of an entity's change feed in the place of each: for the capability `split`. */
  split?(entity: Entity): Promise<void>;
  /** Empties the cache, as a flush of the server does: for the capability `flush`. */
  flush?(): Promise<void>;
  /** Ends the case. @default nothing */
  close?(): Promise<void>;
}

/** One promise of a contract. */
export interface ContractCase<Store> {
  readonly name: string;
  readonly requires: readonly Capability[];
  /** Rejects when the promise is not kept. */
  readonly run: (subject: ContractSubject<Store>) => Promise<void>;
}

/** How a suite is bound to a test runner. */
export interface BindOptions<Store> {
  /** What the store declares. */
  readonly capabilities: readonly Capability[];
  /** `it` of vitest, `test` of node:test, or anything else that takes a name and a function. */
  readonly it: (name: string, run: () => Promise<void>) => unknown;
  /** Makes a fresh subject for a case. */
  readonly subject: () => Promise<ContractSubject<NoInfer<Store>>>;
}

/**
 * Makes a test of each case whose capabilities are declared.
 *
 * @example
 * ```ts
 * import { bindContract, recordCases } from '@polyphase/core/testing';
 * import { memoryDocumentStore } from '@polyphase/core/memory';
 * import { it } from 'vitest';
 *
 * bindContract(recordCases, { capabilities: ['etag'], it, subject: async () => ({ store: memoryDocumentStore() }) });
 * ```
 */
export function bindContract<Store>(
  cases: readonly ContractCase<Store>[],
  options: BindOptions<Store>,
): void {
  for (const { name, requires, run } of cases) {
    if (!requires.every((capability) => options.capabilities.includes(capability))) continue;
    options.it(name, async () => {
      const subject = await options.subject();
      try {
        await run(subject);
      } finally {
        await subject.close?.();
      }
    });
  }
}

/** Names each case after its suite. */
export function suite<Store>(
  name: string,
  cases: readonly ContractCase<Store>[],
): readonly ContractCase<Store>[] {
  return cases.map((it) =>
    Object.freeze({ name: `${name}: ${it.name}`, requires: it.requires, run: it.run }),
  );
}

/** Lets the subject's clock pass, or waits. */
export async function pass(subject: ContractSubject<unknown>, ms: number): Promise<void> {
  if (subject.passTime) await subject.passTime(ms);
  else await systemClock.sleep(ms);
}
