import {
  type Change,
  type ChangeFeed,
  type DocumentStore,
  type Entity,
  type FeedPage,
  keyText,
  type Permit,
  type PermitStore,
  type RecordKey,
  type RecordStore,
  type StoredRecord,
} from '@polyphase/core';
import type { Random } from './random.ts';
import type { Scheduler } from './scheduler.ts';

/** What something was, from a moment on. */
interface Past<State> {
  readonly at: number;
  readonly state: State;
}

/** How far a session's reads may be behind, in milliseconds. */
const LONGEST_LAG_MS = 300;

/**
 * The replicas of an account with session consistency: a read may find what was there a while ago, but never less than its own session
 * has seen or written. Writes are ordered as ever.
 */
export class Replicas {
  readonly #scheduler: Scheduler;
  readonly #random: Random;
  readonly #documents: DocumentStore;
  readonly #records = new Map<string, Past<StoredRecord | undefined>[]>();
  readonly #permits = new Map<string, Past<Permit | undefined>[]>();

  constructor(options: {
    readonly scheduler: Scheduler;
    readonly random: Random;
    readonly documents: DocumentStore;
  }) {
    this.#scheduler = options.scheduler;
    this.#random = options.random;
    this.#documents = options.documents;
  }

  /** Notes that a document may have changed. */
  async changed(entity: Entity, key: RecordKey): Promise<void> {
    const record = await this.#documents.records(entity).read(key);
    push(this.#records, keyText(key), { at: this.#scheduler.now, state: record });
  }

  /** The store as one session has it. */
  session(): DocumentStore {
    const documents = this.#documents;
    const session = new Session({ scheduler: this.#scheduler, random: this.#random });
    const changed = (entity: Entity, key: RecordKey): Promise<void> => this.changed(entity, key);
    const stores = new Map<Entity, RecordStore>();
    return {
      ...documents,
      records: (entity) => {
        const there =
          stores.get(entity) ??
          lagging(documents.records(entity), session, { entity, past: this.#records, changed });
        stores.set(entity, there);
        return there;
      },
      runUnit: async (work, options) => {
        const done = await documents.runUnit(work, options);
        for (const { entity, result } of done.written) {
          await changed(entity, result.record.key);
          session.saw(keyText(result.record.key));
        }
        return done;
      },
      changes: (entity) => laggingFeed(documents.changes(entity), session, this.#records),
      permits: this.#laggingPermits(session),
    };
  }

  #laggingPermits(session: Session): PermitStore {
    const { permits } = this.#documents;
    const changed = async (group: string): Promise<void> => {
      push(this.#permits, group, { at: this.#scheduler.now, state: await permits.read(group) });
      session.saw(`permit ${group}`);
    };
    const noted = async <Answer>(group: string, answer: Promise<Answer>): Promise<Answer> => {
      const result = await answer;
      await changed(group);
      return result;
    };
    return {
      read: async (group, options) => {
        const now = await permits.read(group, options);
        const past = this.#permits.get(group);
        return past ? session.look(`permit ${group}`, past) : now;
      },
      create: (group, permit, options) => noted(group, permits.create(group, permit, options)),
      project: (group, step, options) => noted(group, permits.project(group, step, options)),
      drained: (group, epoch, drainMs, options) =>
        noted(group, permits.drained(group, epoch, drainMs, options)),
      renew: (group, holder, options) => noted(group, permits.renew(group, holder, options)),
    };
  }
}

/** What one session has seen: nothing that it is shown from then on is older. */
class Session {
  readonly #scheduler: Scheduler;
  readonly #random: Random;
  readonly #floors = new Map<string, number>();
  #floor = 0;

  constructor(options: { readonly scheduler: Scheduler; readonly random: Random }) {
    this.#scheduler = options.scheduler;
    this.#random = options.random;
  }

  /** It has seen something as it is now; with no name, everything. */
  saw(name?: string): void {
    if (name === undefined) this.#floor = this.#scheduler.now;
    else this.#floors.set(name, this.#scheduler.now);
  }

  /** What a replica shows of something. */
  look<State>(name: string, past: readonly Past<State>[]): State | undefined {
    const floor = Math.max(this.#floor, this.#floors.get(name) ?? 0);
    const lagMs = this.isBehind() ? this.#random.between(0, LONGEST_LAG_MS) : 0;
    const at = Math.max(floor, this.#scheduler.now - lagMs);
    this.#floors.set(name, at);
    return past.findLast((one) => one.at <= at)?.state;
  }

  /** Whether the replica that answers now may not have what was written then. */
  mayMiss(at: number): boolean {
    const floor = Math.max(this.#floor, ...this.#floors.values());
    return at > floor && at > this.#scheduler.now - LONGEST_LAG_MS && this.isBehind();
  }

  /** Whether the replica that answers now is behind. */
  isBehind(): boolean {
    return this.#random.chance(0.3);
  }
}

function lagging(
  records: RecordStore,
  session: Session,
  of: {
    readonly entity: Entity;
    readonly past: ReadonlyMap<string, readonly Past<StoredRecord | undefined>[]>;
    readonly changed: (entity: Entity, key: RecordKey) => Promise<void>;
  },
): RecordStore {
  const look = (key: RecordKey): StoredRecord | undefined => {
    const name = keyText(key);
    return session.look(name, of.past.get(name) ?? []);
  };
  return {
    read: async (key, options) => {
      await records.read(key, options);
      return look(key);
    },
    readMany: async (keys, options) => {
      await records.readMany(keys, options);
      return keys.map(look);
    },
    getMany: async (keys, options) => {
      session.saw();
      return records.getMany(keys, options);
    },
    query: async (plan, options) => {
      session.saw();
      return records.query(plan, options);
    },
    write: async (intent, options) => {
      const result = await records.write(intent, options);
      await of.changed(of.entity, intent.key);
      session.saw(keyText(intent.key));
      return result;
    },
    apply: async (copies, options) => {
      const outcomes = await records.apply(copies, options);
      for (const { record } of copies) {
        await of.changed(of.entity, record.key);
        session.saw(keyText(record.key));
      }
      return outcomes;
    },
    scan: (options) => {
      session.saw();
      return records.scan(options);
    },
    count: (options) => records.count(options),
  };
}

function laggingFeed(
  feed: ChangeFeed,
  session: Session,
  past: ReadonlyMap<string, readonly Past<unknown>[]>,
): ChangeFeed {
  const madeAt = (change: Change): number =>
    change.kind === 'record' ? (past.get(keyText(change.record.key))?.at(-1)?.at ?? 0) : 0;
  return {
    ranges: (options) => feed.ranges(options),
    read: async (range, position, options): Promise<FeedPage> => {
      const page = await feed.read(range, position, options);
      // A replica that is behind has nothing yet of what comes next.
      const oldest = Math.min(...page.changes.map(madeAt));
      const isHidden = position !== undefined && page.changes.length > 0 && session.mayMiss(oldest);
      return isHidden ? { ...page, changes: [], position, idle: true } : page;
    },
    mark: (range, options) => {
      session.saw();
      return feed.mark(range, options);
    },
    passed: (position, marker) => feed.passed(position, marker),
    behind: (position, marker) => feed.behind(position, marker),
    positionOf: (range, positions) => feed.positionOf(range, positions),
  };
}

function push<State>(past: Map<string, Past<State>[]>, name: string, one: Past<State>): void {
  const there = past.get(name);
  if (there) there.push(one);
  else past.set(name, [one]);
}
