import type {
  CacheEntry,
  CacheMiss,
  CacheService,
  CallOptions,
  InvalidateOptions,
  RecordVersion,
} from '@polyphase/core';
import { liveText, parseLive, redisKey, versionText } from './redis-keys.ts';
import type { RedisLink } from './redis-link.ts';
import { fill1 } from './scripts/fill-1.ts';
import { guard1 } from './scripts/guard-1.ts';
import { invalidate1 } from './scripts/invalidate-1.ts';
import { lease1 } from './scripts/lease-1.ts';

// A fence keeps out what a loader read from a replica, or under session consistency, before the write reached it.
const FENCE_MS = 60_000;
// Entries that were filled together must not expire together. Never longer than the time to live that was asked for.
const JITTER = 0.1;
const GUARD_WAIT_MS = 1;

/** What a {@link RedisCache} works with; durations are checked before. */
export interface RedisCacheOptions {
  readonly link: RedisLink;
  readonly prefix: string;
  readonly namespace: string;
  readonly leaseMs: number;
  readonly guardMs: number;
}

/**
 * The cache of one namespace in Redis: one text key per record, so that an eviction takes value, lease and fence together and
 * every change is one atomic script. A hit is one plain GET.
 */
export class RedisCache implements CacheService {
  readonly #link: RedisLink;
  readonly #prefix: string;
  readonly #namespace: string;
  readonly #leaseMs: string;
  readonly #guardMs: string;

  constructor(options: RedisCacheOptions) {
    this.#link = options.link;
    this.#prefix = options.prefix;
    this.#namespace = options.namespace;
    this.#leaseMs = String(options.leaseMs);
    this.#guardMs = String(options.guardMs);
  }

  async get(key: string, options: CallOptions = {}): Promise<CacheEntry | undefined> {
    const text = await this.#link.get(this.#name(key), options);
    return text === null ? undefined : parseLive(text);
  }

  async lease(key: string, options: CallOptions = {}): Promise<CacheMiss> {
    const token = crypto.randomUUID();
    const reply = await this.#link.run(lease1, [this.#name(key), token, this.#leaseMs], options);
    const entry = typeof reply === 'string' ? parseLive(reply) : undefined;
    if (entry) return { kind: 'hit', entry };
    const waitMs = Number(reply);
    if (waitMs === 0) return { kind: 'leased', token };
    // Under a guard waiting is of little use: the authority has the answer, and nobody is loading it into the cache.
    return { kind: 'busy', waitMs: Math.max(GUARD_WAIT_MS, waitMs) };
  }

  async fill(
    key: string,
    token: string,
    entry: CacheEntry,
    ttlMs: number,
    options: CallOptions = {},
  ): Promise<boolean> {
    const ttl = Math.max(1, Math.round(ttlMs * (1 - JITTER * Math.random())));
    const args = [this.#name(key), token, versionText(entry.version), liveText(entry), String(ttl)];
    return Number(await this.#link.run(fill1, args, options)) === 1;
  }

  async guard(key: string, writer: string, options: CallOptions = {}): Promise<void> {
    const args = [this.#name(key), this.#guardMs, String(FENCE_MS), markText(writer)];
    await this.#link.run(guard1, args, options);
  }

  // Urgent: an invalidation that is left out leaves a stale entry behind, which costs more than one time-out.
  async invalidate(key: string, version: RecordVersion, options: InvalidateOptions = {}): Promise<void> {
    const ended = (options.writers ?? []).map(markText);
    const args = [this.#name(key), versionText(version), String(FENCE_MS), ...ended];
    await this.#link.run(invalidate1, args, { ...options, urgent: true });
  }

  #name(key: string): string {
    return redisKey(this.#prefix, this.#namespace, key);
  }
}

// A name as the scripts keep it in a list: without what parts the list.
function markText(writer: string): string {
  return encodeURIComponent(writer);
}
