import type { CacheEntry, CacheMiss, CacheService, InvalidateOptions } from '../cache.ts';
import type { Clock } from '../clock.ts';
import type { CallOptions } from '../record-store.ts';
import { compareVersions, type RecordVersion } from '../version.ts';
import { turn } from './memory-turn.ts';

const LEASE_MS = 10_000;
const GUARD_MS = 10_000;
const BUSY_WAIT_MS = 20;

/**
 * What is kept under a key, with the version below which nothing may be filled.
 *
 * States: live; leased (one loader may fill); guarded (writes are under way); empty (invalidated: the next may take the lease).
 * The first three end by time, and are empty from then on.
 */
interface Slot {
  readonly state: 'live' | 'leased' | 'guarded' | 'empty';
  readonly minimum: RecordVersion;
  readonly endsAt: number;
  readonly token?: string;
  readonly entry?: CacheEntry;
  /** Who guards it, and until when. */
  readonly guards?: ReadonlyMap<string, number>;
}

const NOTHING: RecordVersion = { term: 0, counter: 0 };

/** The slots that all caches of one memory store share, bounded in number: the one that was used longest ago goes first. */
export class MemorySlots {
  readonly #clock: Clock;
  readonly #maxEntries: number;
  readonly #slots = new Map<string, Slot>();

  constructor(options: { readonly clock: Clock; readonly maxEntries: number }) {
    this.#clock = options.clock;
    this.#maxEntries = options.maxEntries;
  }

  /** What is under a key now. */
  get(key: string): Slot | undefined {
    const slot = this.#slots.get(key);
    if (!slot || slot.state === 'empty' || slot.endsAt > this.#clock.monotonic()) return slot;
    return { state: 'empty', minimum: slot.minimum, endsAt: 0 };
  }

  /** Keeps a slot that these guard, or that nobody guards any more. */
  setGuards(key: string, minimum: RecordVersion, guards: ReadonlyMap<string, number>): void {
    const now = this.#clock.monotonic();
    const standing = new Map([...guards].filter(([, endsAt]) => endsAt > now));
    if (standing.size === 0) this.set(key, { state: 'empty', minimum }, 0);
    else this.set(key, { state: 'guarded', minimum, guards: standing }, Math.max(...standing.values()) - now);
  }

  /** When a guard ends that begins now. */
  guardEnd(): number {
    return this.#clock.monotonic() + GUARD_MS;
  }

  /** Keeps a slot, and evicts another where there are too many. */
  set(key: string, slot: Omit<Slot, 'endsAt'>, lifeMs: number): void {
    this.#slots.delete(key);
    this.#slots.set(key, { ...slot, endsAt: this.#clock.monotonic() + lifeMs });
    const [oldest] = this.#slots.keys();
    if (this.#slots.size > this.#maxEntries && oldest !== undefined) this.#slots.delete(oldest);
  }

  /** Milliseconds until the slot's state ends. */
  remainingMs(slot: Slot): number {
    return Math.max(0, slot.endsAt - this.#clock.monotonic());
  }

  /** Forgets everything, as a flushed or restarted server does. */
  clear(): void {
    this.#slots.clear();
  }
}

/** The cache in memory. */
export class MemoryCache implements CacheService {
  readonly #slots: MemorySlots;
  readonly #namespace: string;

  constructor(options: { readonly slots: MemorySlots; readonly namespace: string }) {
    this.#slots = options.slots;
    this.#namespace = options.namespace;
  }

  async get(key: string, options?: CallOptions): Promise<CacheEntry | undefined> {
    await turn(options);
    return this.#at(key)?.entry;
  }

  async lease(key: string, options?: CallOptions): Promise<CacheMiss> {
    await turn(options);
    const slot = this.#at(key);
    if (slot?.entry) return { kind: 'hit', entry: slot.entry };
    if (slot && slot.state !== 'empty')
      return { kind: 'busy', waitMs: Math.min(BUSY_WAIT_MS, this.#slots.remainingMs(slot)) };
    const token = crypto.randomUUID();
    const minimum = slot?.minimum ?? NOTHING;
    this.#slots.set(this.#name(key), { state: 'leased', minimum, token }, LEASE_MS);
    return { kind: 'leased', token };
  }

  async fill(
    key: string,
    token: string,
    entry: CacheEntry,
    ttlMs: number,
    options?: CallOptions,
  ): Promise<boolean> {
    await turn(options);
    const slot = this.#at(key);
    // Only a leased slot has a token. One that is gone was evicted, and with it the version below which nothing may be filled.
    if (!slot || slot.token !== token) return false;
    if (compareVersions(entry.version, slot.minimum) < 0) return false;
    const kept = Object.freeze({ version: { ...entry.version }, payload: entry.payload });
    this.#slots.set(this.#name(key), { state: 'live', minimum: slot.minimum, entry: kept }, ttlMs);
    return true;
  }

  async guard(key: string, writer: string, options?: CallOptions): Promise<void> {
    await turn(options);
    const { minimum = NOTHING, guards } = this.#at(key) ?? {};
    const now = new Map(guards).set(writer, this.#slots.guardEnd());
    this.#slots.setGuards(this.#name(key), minimum, now);
  }

  async invalidate(key: string, version: RecordVersion, options: InvalidateOptions = {}): Promise<void> {
    await turn(options);
    const { minimum: there = NOTHING, guards } = this.#at(key) ?? {};
    const minimum = compareVersions(version, there) > 0 ? { ...version } : there;
    const left = new Map(guards);
    for (const writer of options.writers ?? []) left.delete(writer);
    this.#slots.setGuards(this.#name(key), minimum, left);
  }

  #at(key: string): Slot | undefined {
    return this.#slots.get(this.#name(key));
  }

  #name(key: string): string {
    return `${this.#namespace}${key}`;
  }
}
