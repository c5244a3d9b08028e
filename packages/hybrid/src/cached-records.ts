// size: one protocol that is read together: reads, writes, repetition of what did not get through, the text of an entry
import {
  type CacheEntry,
  type CacheMiss,
  type CacheService,
  type CallOptions,
  type Clock,
  ConnectionError,
  compareVersions,
  isPolyphaseError,
  keyText,
  type LiveRecord,
  liveRecord,
  partitionText,
  type QueryPlan,
  type RecordKey,
  type RecordStore,
  type RecordVersion,
  type RepositoryStore,
  type StoredRecord,
  StoreError,
  UNSTAMPED,
  type WriteIntent,
  type WriteResult,
} from '@polyphase/core';

const BUSY_WAIT_MS = 50;
const LONGEST_POLL_MS = 20;
const FORMAT = 1;
const MOST_OWED = 10_000;
const FIRST_RETRY_MS = 50;
const LONGEST_RETRY_MS = 2_000;
// A load that began before the write may fill this much later, and its entry then lives for the time to live.
const LONGEST_LOAD_MS = 60_000;
const FAILED = Symbol('the cache failed');

/** What {@link CachedRecords} works with. */
export interface CachedRecordsOptions {
  /** The authority, whichever store that is now. */
  readonly records: RepositoryStore & Pick<RecordStore, 'readMany'>;
  readonly cache: CacheService;
  /** Milliseconds that an entry may live. A function where that may change. */
  readonly ttlMs: number | (() => number);
  /** The term of the authority now. It is part of every key, so that a flip leaves older entries behind. */
  readonly term: () => number;
  readonly clock: Clock;
  /** Longest wait for a load of another process, in milliseconds; then the authority is asked. @default 50 */
  readonly busyWaitMs?: number | undefined;
  /** Hears of everything that the cache could not do. The call it disturbed goes on. */
  readonly onCacheError: (error: unknown) => void;
}

/** A load that readers of this process share. */
interface Flight {
  /** Its place in the order of arrivals. */
  readonly number: number;
  readonly loaded: Promise<Loaded>;
  /** Whether others joined: then each gets a copy of its own. */
  shared: boolean;
}

interface Loaded {
  readonly record: StoredRecord | undefined;
  /** Whether the cache took it: then nothing was invalidated between the lease and the last reader that joined. */
  readonly filled: boolean;
}

/** An invalidation that did not get through. */
interface Owed {
  readonly version: RecordVersion;
  /** Whose guards are to end with it. */
  readonly writers: readonly string[];
  readonly until: number;
}

/** What a look into the cache says: the record, or the token to fill with, or neither. */
type Look = { readonly hit: true; readonly record: StoredRecord | undefined } | { readonly token?: string };

/**
 * Records read by key through a cache, and never older there than the last write that was acknowledged, whichever process made it.
 *
 * A read is answered by a live entry, else by the authority: one load per key in this process and, by the lease, in all. A write
 * guards its keys before the commit and invalidates them after it. When the cache fails, the authority answers and the write
 * stands: the failure is told, and an invalidation that did not get through is repeated in the background.
 *
 * Limits: when guard and invalidation of a write both fail, other processes may read the older entry until the repetition
 * succeeds, at the latest until the entry's time to live ends. When the outcome of a write is unknown, its guard stays until it
 * ends by itself, and a commit that comes even later than that is seen when the entry's time to live ends.
 */
export class CachedRecords implements RepositoryStore, AsyncDisposable {
  readonly #records: CachedRecordsOptions['records'];
  readonly #cache: CacheService;
  readonly #ttlMs: () => number;
  readonly #term: () => number;
  readonly #clock: Clock;
  readonly #busyWaitMs: number;
  readonly #onCacheError: (error: unknown) => void;
  readonly #flights = new Map<string, Flight>();
  readonly #owed = new Map<string, Owed>();
  readonly #stop = new AbortController();
  #repaying: Promise<void> | undefined;
  #arrivals = 0;

  constructor(options: CachedRecordsOptions) {
    this.#records = options.records;
    this.#cache = options.cache;
    const { ttlMs } = options;
    this.#ttlMs = typeof ttlMs === 'number' ? () => ttlMs : ttlMs;
    this.#term = options.term;
    this.#clock = options.clock;
    this.#busyWaitMs = options.busyWaitMs ?? BUSY_WAIT_MS;
    this.#onCacheError = options.onCacheError;
  }

  async read(key: RecordKey, options: CallOptions = {}): Promise<StoredRecord | undefined> {
    const name = this.#name(key);
    this.#arrivals += 1;
    const arrival = this.#arrivals;
    for (;;) {
      if (this.#owed.has(name)) return this.#records.read(key, options);
      const look = await this.#get(name, key, options);
      if (look !== FAILED && 'hit' in look) return look.record;
      const joined = this.#flights.get(name);
      if (joined) joined.shared = true;
      const flight = joined ?? this.#depart(name, key, look !== FAILED);
      const { record, filled } = await orAborted(flight.loaded, options.signal);
      if (!joined) return flight.shared ? structuredClone(record) : record;
      // A load that began before this call may be older than a write that was acknowledged before this call. Where the cache took
      // it, it is not; and the next load, if it comes to that, has begun after this call.
      if (filled || joined.number > arrival) return structuredClone(record);
    }
  }

  async getMany(
    keys: readonly RecordKey[],
    options: CallOptions = {},
  ): Promise<readonly (LiveRecord | undefined)[]> {
    const looks = await Promise.all(keys.map((key) => this.#look(key, options)));
    const missing = keys.filter((_, i) => !isHit(looks[i]));
    const loaded = missing.length === 0 ? [] : await this.#records.readMany(missing, options);
    const rest = loaded.values();
    return Promise.all(
      looks.map(async (look, i) => {
        if ('hit' in look) return liveRecord(look.record);
        const record = rest.next().value;
        const key = keys[i];
        if (key && look.token !== undefined) await this.#fill(this.#name(key), look.token, record);
        return liveRecord(record);
      }),
    );
  }

  query(plan: QueryPlan, options?: CallOptions): Promise<readonly LiveRecord[]> {
    return this.#records.query(plan, options);
  }

  async write(intent: WriteIntent, options: CallOptions): Promise<WriteResult> {
    const write = this.startWrite();
    options.signal?.throwIfAborted();
    await write.guard(intent.key);
    let result: WriteResult;
    try {
      result = await this.#records.write(intent, options);
    } catch (error) {
      await write.failed(error, options.signal);
      throw error;
    }
    await write.committed([result.record]);
    return result;
  }

  /** The cache's part in writes that are made elsewhere, such as those of a unit of work. */
  startWrite(): CachedWrite {
    const writer = crypto.randomUUID();
    const writers = [writer];
    return new CachedWrite({
      name: (key) => this.#name(key),
      guard: async (name) => (await this.#try(() => this.#cache.guard(name, writer))) !== FAILED,
      release: async (name) =>
        void (await this.#try(() => this.#cache.invalidate(name, UNSTAMPED, { writers }))),
      invalidate: (name, version) => this.#invalidate(name, version, writers),
      owe: (name) => this.#owe(name, UNSTAMPED, []),
    });
  }

  /** Ends the repetition of invalidations that did not get through. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort(new ConnectionError({ message: 'The cache was closed' }));
    await this.#repaying;
  }

  #name(key: RecordKey): string {
    return `${this.#term()}:${keyText(key)}`;
  }

  async #get(name: string, key: RecordKey, options: CallOptions): Promise<Look | typeof FAILED> {
    const entry = await this.#try(() => this.#cache.get(name, options), options.signal);
    if (entry === FAILED) return FAILED;
    return entry === undefined ? {} : this.#decoded(name, key, entry);
  }

  async #look(key: RecordKey, options: CallOptions): Promise<Look> {
    const name = this.#name(key);
    if (this.#owed.has(name)) return {};
    const look = await this.#get(name, key, options);
    if (look === FAILED) return {};
    if ('hit' in look) return look;
    const miss = await this.#try(() => this.#cache.lease(name, options), options.signal);
    if (miss === FAILED || miss.kind === 'busy') return {};
    return miss.kind === 'leased' ? miss : this.#decoded(name, key, miss.entry);
  }

  // An entry of another format is dropped: while two releases run side by side each reads its own entries or the authority.
  async #decoded(name: string, key: RecordKey, entry: CacheEntry): Promise<Look> {
    if (entry.payload === undefined) return { hit: true, record: undefined };
    const record = decodeRecord(entry.payload, key);
    if (record) return { hit: true, record };
    this.#onCacheError(
      new StoreError({ message: 'A cache entry is of a format that this release cannot read' }),
    );
    await this.#try(() => this.#cache.invalidate(name, entry.version));
    return {};
  }

  #depart(name: string, key: RecordKey, useCache: boolean): Flight {
    this.#arrivals += 1;
    const number = this.#arrivals;
    const close = (): void => {
      if (this.#flights.get(name)?.number === number) this.#flights.delete(name);
    };
    // No caller's signal: others may have joined when the first one gives up.
    const loaded = this.#load(name, key, { useCache, close }).finally(close);
    loaded.catch(() => undefined); // everybody who waits hears of it; it may be that nobody does
    const flight = { number, loaded, shared: false };
    this.#flights.set(name, flight);
    return flight;
  }

  async #load(
    name: string,
    key: RecordKey,
    flight: { readonly useCache: boolean; readonly close: () => void },
  ): Promise<Loaded> {
    const miss = flight.useCache ? await this.#lease(name) : FAILED;
    if (miss !== FAILED && miss.kind === 'hit') {
      const look = await this.#decoded(name, key, miss.entry);
      // Not "filled": the entry may have been taken away while the answer was on its way to those who joined.
      if ('hit' in look) return { record: look.record, filled: false };
    }
    const record = await this.#records.read(key);
    // From here on nobody joins: a reader that comes while the fill is on its way may come after a later write.
    flight.close();
    const filled = miss !== FAILED && miss.kind === 'leased' && (await this.#fill(name, miss.token, record));
    return { record, filled };
  }

  async #lease(name: string): Promise<CacheMiss | typeof FAILED> {
    const began = this.#clock.monotonic();
    for (let pauseMs = 2; ; pauseMs = Math.min(pauseMs * 2, LONGEST_POLL_MS)) {
      const miss = await this.#try(() => this.#cache.lease(name));
      if (miss === FAILED || miss.kind !== 'busy') return miss;
      const left = Math.min(this.#busyWaitMs, miss.waitMs) - (this.#clock.monotonic() - began);
      if (left <= 0) return miss;
      await this.#clock.sleep(Math.min(pauseMs, left));
    }
  }

  async #fill(name: string, token: string, record: StoredRecord | undefined): Promise<boolean> {
    // Absence has no version of its own; it is refused where any write was invalidated not long ago.
    const entry = { version: record?.version ?? UNSTAMPED, payload: record && encodeRecord(record) };
    // By this process's clock, the only one at hand: an entry ends with its record, give or take what the clocks differ.
    const endsAtMs = record?.value === undefined ? undefined : record.expiresAtMs;
    const leftMs = (endsAtMs ?? Number.POSITIVE_INFINITY) - this.#clock.now();
    const ttlMs = Math.max(1, Math.min(this.#ttlMs(), leftMs));
    return (await this.#try(() => this.#cache.fill(name, token, entry, ttlMs))) === true;
  }

  async #invalidate(name: string, version: RecordVersion, writers: readonly string[]): Promise<void> {
    this.#flights.delete(name);
    const done = await this.#try(() => this.#cache.invalidate(name, version, { writers }));
    if (done === FAILED) this.#owe(name, version, writers);
  }

  // The cache never fails a call: its errors are told, and the authority answers. Only the caller's own abort goes through.
  async #try<Result>(call: () => Promise<Result>, signal?: AbortSignal): Promise<Result | typeof FAILED> {
    try {
      return await call();
    } catch (error) {
      signal?.throwIfAborted();
      this.#onCacheError(error);
      return FAILED;
    }
  }

  #owe(name: string, version: RecordVersion, writers: readonly string[]): void {
    const there = this.#owed.get(name);
    const higher = there && compareVersions(there.version, version) > 0 ? there.version : version;
    const until = this.#clock.monotonic() + this.#ttlMs() + LONGEST_LOAD_MS;
    this.#owed.delete(name);
    this.#owed.set(name, { version: higher, writers: [...(there?.writers ?? []), ...writers], until });
    const [oldest] = this.#owed.keys();
    if (this.#owed.size > MOST_OWED && oldest !== undefined) this.#owed.delete(oldest);
    this.#repaying ??= this.#repay();
  }

  // States: owing, with pauses that grow while the cache fails; nothing owed, which ends the loop until the next failure.
  async #repay(): Promise<void> {
    let pauseMs = FIRST_RETRY_MS;
    while (this.#owed.size > 0 && !this.#stop.signal.aborted) {
      await this.#clock.sleep(pauseMs, this.#stop.signal).catch(() => undefined);
      pauseMs = (await this.#repayAll()) ? FIRST_RETRY_MS : Math.min(pauseMs * 2, LONGEST_RETRY_MS);
    }
    this.#repaying = undefined;
  }

  async #repayAll(): Promise<boolean> {
    for (const [name, owed] of this.#owed) {
      if (this.#stop.signal.aborted) return false;
      if (this.#clock.monotonic() < owed.until) {
        const { version, writers } = owed;
        if ((await this.#try(() => this.#cache.invalidate(name, version, { writers }))) === FAILED)
          return false;
      }
      if (this.#owed.get(name) === owed) this.#owed.delete(name);
    }
    return true;
  }
}

/** A key that a write keeps fills out of. */
interface Guard {
  readonly name: string;
  /** Whether the cache took it. */
  stands: boolean;
}

/** What a {@link CachedWrite} asks of the cached records it belongs to. */
interface CachedWriteOptions {
  readonly name: (key: RecordKey) => string;
  readonly guard: (name: string) => Promise<boolean>;
  readonly release: (name: string) => Promise<void>;
  readonly invalidate: (name: string, version: RecordVersion) => Promise<void>;
  readonly owe: (name: string) => void;
}

/**
 * Writes that commit together, as the cache sees them: guard each key before the commit, then tell how it ended, once.
 *
 * None of the three fails: what the cache could not do is told, and repeated where it matters.
 */
export class CachedWrite {
  readonly #options: CachedWriteOptions;
  readonly #guards = new Map<string, Guard>();

  constructor(options: CachedWriteOptions) {
    this.#options = options;
  }

  /** Keeps fills of a key out until the write has ended. */
  async guard(key: RecordKey): Promise<void> {
    const text = keyText(key);
    if (this.#guards.has(text)) return;
    const guard = { name: this.#options.name(key), stands: false };
    this.#guards.set(text, guard);
    guard.stands = await this.#options.guard(guard.name);
  }

  /** The commit succeeded and made these records. Acknowledge it only after this. */
  async committed(records: readonly StoredRecord[]): Promise<void> {
    const names = new Map<string, RecordVersion>();
    for (const { key, version } of records) {
      names.set(this.#options.name(key), version);
      // The term may have moved since the guard: then the key has two names.
      const guard = this.#guards.get(keyText(key));
      if (guard) names.set(guard.name, version);
    }
    await Promise.all([
      ...[...names].map(([name, version]) => this.#options.invalidate(name, version)),
      ...this.#standing()
        .filter((name) => !names.has(name))
        .map((name) => this.#options.release(name)),
    ]);
  }

  /** The commit failed. Where it may have happened all the same, the guards stay until they end by themselves. */
  async failed(cause: unknown, signal?: AbortSignal): Promise<void> {
    const unsent = signal?.aborted === true && cause === signal.reason;
    if (unsent || (isPolyphaseError(cause) && !UNCERTAIN.has(cause.code))) {
      await Promise.all(this.#standing().map((name) => this.#options.release(name)));
      return;
    }
    for (const { name, stands } of this.#guards.values()) if (!stands) this.#options.owe(name);
  }

  #standing(): string[] {
    return [...this.#guards.values()].filter(({ stands }) => stands).map(({ name }) => name);
  }
}

const UNCERTAIN: ReadonlySet<string> = new Set(['unknown-outcome', 'store', 'fenced']);

function isHit(look: Look | undefined): boolean {
  return look !== undefined && 'hit' in look;
}

function orAborted<Result>(promise: Promise<Result>, signal: AbortSignal | undefined): Promise<Result> {
  if (!signal) return promise;
  return new Promise((resolve, reject) => {
    const abort = (): void => reject(signal.reason);
    if (signal.aborted) return abort();
    signal.addEventListener('abort', abort, { once: true });
    const end = (): void => signal.removeEventListener('abort', abort);
    promise.then(resolve, reject).finally(end);
  });
}

/** A record as its text holds it. The partition goes as its own text: JSON would make null of an absent level. */
type Encoded = Omit<StoredRecord, 'key'> & {
  readonly format: number;
  readonly partition: string;
  readonly id: string;
};

/** The text of a record in the cache. */
export function encodeRecord({ key, ...rest }: StoredRecord): string {
  const encoded: Encoded = { format: FORMAT, partition: partitionText(key.partition), id: key.id, ...rest };
  return JSON.stringify(encoded);
}

/** The record in a text, or undefined where the text is of another format or of another key. */
export function decodeRecord(payload: string, key: RecordKey): StoredRecord | undefined {
  const encoded = parsed(payload);
  if (!isEncoded(encoded) || encoded.id !== key.id || encoded.partition !== partitionText(key.partition))
    return undefined;
  const { version, value, digest, operations, etag, base, expiresAtMs } = encoded;
  return {
    key,
    version,
    value,
    digest,
    operations,
    ...(etag === undefined ? {} : { etag }),
    ...(base === undefined ? {} : { base }),
    ...(expiresAtMs === undefined ? {} : { expiresAtMs }),
  };
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

// The format says that encodeRecord wrote it, and so what else is there.
function isEncoded(value: unknown): value is Encoded {
  return typeof value === 'object' && value !== null && 'format' in value && value.format === FORMAT;
}
