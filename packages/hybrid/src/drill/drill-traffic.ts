import {
  type Clock,
  type Entity,
  isPolyphaseError,
  type JsonObject,
  keyLabel,
  keyOfValue,
  type RecordHost,
  type RecordKey,
  recordDigest,
  type StoredRecord,
  splitPath,
  type Version,
  valueAt,
} from '@polyphase/core';
import type { HybridRepository } from '../hybrid-repository.ts';
import type { Seeded } from './drill-scratch.ts';
import { toldError } from './told-error.ts';

const PAUSE_MS = 10;
const CHUNK = 100;
/** Every so many writes of a record are a delete, and the next brings it back. */
const DELETE_EVERY = 5;
/** A field that no schema has, so that each write has a body of its own. */
const MARK = 'polyphaseDrill';

/** A write that was sent. Without a body it is a delete. */
interface Sent {
  readonly operationId: string;
  readonly body: JsonObject | undefined;
}

/** A record as its one writer knows it. */
interface Owned {
  readonly key: RecordKey;
  readonly value: JsonObject;
  /** Whether the schema lets the mark through. */
  readonly takesMark: boolean;
  writes: number;
  /** The last write that was acknowledged, with its version. */
  last: Sent & { readonly version: Version };
  /** A write that was sent after it, and that nobody has acknowledged. */
  pending: Sent | undefined;
}

/**
 * Callers that go on writing while a drill walks: each owns some records, and writes them one after the other, each write on top of the
 * one before and only on top of that (`ifVersion`), so that every acknowledged write that is lost shows in the next one. A write is
 * repeated under its operation id until it is acknowledged, and read back.
 *
 * The first thing that must not be ends all callers.
 */
export class DrillTraffic {
  readonly #entity: Entity;
  readonly #repository: HybridRepository<object, object>;
  readonly #clock: Clock;
  readonly #signal: AbortSignal | undefined;
  readonly #owned: readonly Owned[];
  readonly #stop = new AbortController();
  readonly #wrongs: string[] = [];
  #running: Promise<unknown> = Promise.resolve();

  constructor(options: {
    readonly entity: Entity;
    readonly repository: HybridRepository<object, object>;
    readonly clock: Clock;
    readonly seeded: readonly Seeded[];
    /** Aborts calls that are under way. */
    readonly signal: AbortSignal | undefined;
  }) {
    const { entity, seeded } = options;
    this.#entity = entity;
    this.#repository = options.repository;
    this.#clock = options.clock;
    this.#signal = options.signal;
    this.#owned = seeded.map(({ value, operationId, version }) => ({
      key: keyOfValue(entity, value),
      value,
      takesMark: entity.issues({ ...value, [MARK]: 0 }).length === 0,
      writes: 0,
      last: { operationId, body: value, version },
      pending: undefined,
    }));
  }

  /** Name of the entity that is written. */
  get name(): string {
    return this.#entity.name;
  }

  /** What a caller saw that must not be, without values. */
  get wrongs(): readonly string[] {
    return this.#wrongs;
  }

  /** Writes that were acknowledged. */
  get acknowledged(): number {
    return this.#owned.reduce((sum, { writes }) => sum + writes, 0);
  }

  /** How often every record was written. */
  get rounds(): number {
    return this.#owned.reduce((least, { writes }) => Math.min(least, writes), Number.POSITIVE_INFINITY);
  }

  /** Starts so many callers. */
  start(callers: number): void {
    this.#running = Promise.all(
      Array.from({ length: callers }, (_, caller) =>
        this.#call(this.#owned.filter((_owned, i) => i % callers === caller)),
      ),
    );
  }

  /** Ends the callers, each after the attempt that it is at. */
  async stop(): Promise<void> {
    this.#stop.abort();
    await this.#running;
  }

  /** Which of the last acknowledged writes are not what the store holds, without values. */
  async missingIn(host: Pick<RecordHost, 'records'>): Promise<readonly string[]> {
    const records = host.records(this.#entity);
    const missing: string[] = [];
    for (let at = 0; at < this.#owned.length; at += CHUNK) {
      const owned = this.#owned.slice(at, at + CHUNK);
      const there = await records.readMany(
        owned.map(({ key }) => key),
        { signal: this.#signal },
      );
      owned.forEach(({ key, last, pending }, i) => {
        if (!isOf(there[i], last) && !(pending && isOf(there[i], pending)))
          missing.push(
            `${this.#entity.name} ${keyLabel(key)}: the last acknowledged ${nameOf(last)} is not there`,
          );
      });
    }
    return missing;
  }

  async #call(owned: readonly Owned[]): Promise<void> {
    const { signal } = this.#stop;
    for (let at = 0; !signal.aborted; at += 1) {
      const one = owned[at % owned.length];
      if (!one) return;
      try {
        if (await this.#write(one)) await this.#readBack(one);
      } catch (error) {
        if (this.#signal?.aborted !== true) this.#wrong(one, toldError(error));
        return;
      }
      await this.#clock.sleep(PAUSE_MS, signal).catch(() => undefined);
    }
  }

  async #write(one: Owned): Promise<boolean> {
    const { value, last, writes, takesMark } = one;
    const isDelete = last.body !== undefined && writes % DELETE_EVERY === DELETE_EVERY - 1;
    const marked = takesMark ? { ...value, [MARK]: writes } : value;
    const sent = { operationId: crypto.randomUUID(), body: isDelete ? undefined : marked };
    one.pending = sent;
    for (;;) {
      try {
        const version = await this.#send(one, sent);
        one.last = { ...sent, version };
        one.pending = undefined;
        one.writes += 1;
        return true;
      } catch (error) {
        if (this.#signal?.aborted === true) return false;
        if (!isPolyphaseError(error) || !error.retryable) {
          this.#wrong(
            one,
            `a ${nameOf(sent)} on top of the acknowledged ${nameOf(last)} was refused, so that is lost, or somebody else writes there (${toldError(error)})`,
          );
          return false;
        }
      }
      // What nobody acknowledged is repeated until somebody does, or until nobody asks any more.
      await this.#clock.sleep(PAUSE_MS, this.#stop.signal).catch(() => undefined);
      if (this.#stop.signal.aborted) return false;
    }
  }

  async #send({ value, last }: Owned, { operationId, body }: Sent): Promise<Version> {
    const options = { operationId, signal: this.#signal };
    const ifVersion = last.version;
    if (body === undefined)
      return (await this.#repository.delete(keyFields(this.#entity, value), { ...options, ifVersion }))
        .version;
    if (last.body === undefined) return (await this.#repository.create(body, options)).version;
    return (await this.#repository.upsert(body, { ...options, ifVersion })).version;
  }

  async #readBack(one: Owned): Promise<void> {
    const { last, value } = one;
    const options = { signal: this.#signal };
    const seen = await this.#repository
      .get(keyFields(this.#entity, value), options)
      .catch((error: unknown) => {
        if (!isPolyphaseError(error) || !error.retryable) throw error;
        return 'unknown' as const;
      });
    if (seen === 'unknown') return;
    const expected = last.body === undefined ? undefined : last.version;
    if (seen?.version === expected) return;
    const found = seen ? 'another version' : 'nothing';
    this.#wrong(one, `after an acknowledged ${nameOf(last)} a read found ${found}`);
  }

  #wrong({ key }: Owned, what: string): void {
    this.#wrongs.push(`${this.#entity.name} ${keyLabel(key)}: ${what}`);
    this.#stop.abort();
  }
}

function isOf(record: StoredRecord | undefined, { operationId, body }: Sent): boolean {
  const digest = recordDigest(body);
  return (
    record?.operations[0]?.id === operationId &&
    record.digest === digest &&
    // The stamp says what was written; the body must be that, too.
    recordDigest(record.value) === digest
  );
}

function nameOf({ body }: Sent): 'write' | 'delete' {
  return body === undefined ? 'delete' : 'write';
}

function keyFields(entity: Entity, value: JsonObject): object {
  const { partition, id } = entity.key;
  return Object.fromEntries([...partition, id].map((path) => [path, valueAt(value, splitPath(path))]));
}
