import type { DocumentStore, Entity, RecordStore, RelationalStore } from '@polyphase/core';
import { memoryDocumentStore, memoryRelationalStore } from '@polyphase/core/memory';
import { manualClock } from '@polyphase/core/testing';
import { type DrillOptions, type DrillResult, drill } from '../src/index.ts';
import { Note, protocol } from './virtual-world.ts';

/** The stores of an entity and scratch stores beside them, in time that passes only when somebody waits. */
export class DrillPlace {
  readonly clock = manualClock();
  readonly stores = this.made();
  readonly scratch = this.made();

  /** Stores that hold nothing. */
  made() {
    const { clock } = this;
    return { cosmos: memoryDocumentStore({ clock, ranges: 2 }), postgres: memoryRelationalStore({ clock }) };
  }

  /** Puts thirty notes into Cosmos DB, and one document that is none. */
  async fill(): Promise<void> {
    for (let i = 0; i < 30; i += 1)
      await this.stores.cosmos.foreign.put(Note, {
        id: `${i}`,
        owner: `owner ${i % 3}`,
        text: 'x',
        unknown: [i],
      });
    await this.stores.cosmos.foreign.put(Note, { id: 'no note', owner: 'a', text: 7 });
  }

  /** Lets time pass until a promise is settled. */
  async passing<Result>(promise: Promise<Result>): Promise<Result> {
    const over = new AbortController();
    const settled = promise.finally(() => over.abort());
    settled.catch(() => undefined);
    while (!over.signal.aborted) await this.clock.advance(this.clock.nextMs ?? 1);
    return settled;
  }

  /** A drill of a dozen notes to its end, unless told otherwise. */
  async run(options: Partial<DrillOptions> = {}): Promise<DrillResult> {
    const { stores, scratch, clock } = this;
    return this.passing(
      drill({
        entities: [Note],
        stores,
        scratch,
        protocol,
        clock,
        sample: 12,
        patienceMs: 20_000,
        ...options,
      }),
    );
  }

  /** What a drill that must not pass says. */
  async wrongs(options: Partial<DrillOptions>): Promise<readonly string[]> {
    const result = await this.run(options);
    return result.passed ? ['it passed'] : result.wrongs;
  }
}

/** A store, some of whose records' methods are others. */
export function withRecords<Store extends DocumentStore | RelationalStore>(
  store: Store,
  change: (real: RecordStore) => Partial<RecordStore>,
): Store {
  const records = (entity: Entity): RecordStore => {
    const real = store.records(entity);
    return withMembers(real, change(real));
  };
  return withMembers(store, { records });
}

/** The same object with some members in the place of its own. */
export function withMembers<Whole extends object>(
  whole: Whole,
  members: Readonly<Record<string, unknown>> | Partial<Whole>,
): Whole {
  return new Proxy(whole, {
    get: (target, property) => {
      if (Object.hasOwn(members, property)) return Reflect.get(members, property);
      const member: unknown = Reflect.get(target, property, target);
      return typeof member === 'function' ? member.bind(target) : member;
    },
  });
}
