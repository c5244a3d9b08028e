import type { Clock } from '../clock.ts';
import type { DirtyKey, DirtyKeys } from '../dirty-keys.ts';
import { keyText, type RecordKey } from '../key.ts';
import type { CallOptions } from '../record-store.ts';
import { compareVersions, type RecordVersion } from '../version.ts';
import type { MemoryTable } from './memory-table.ts';
import { turn } from './memory-turn.ts';

interface Entry extends DirtyKey {
  readonly sinceMs: number;
  readonly heldUntil: number;
}

/** Dirty keys in memory. */
export class MemoryDirtyKeys implements DirtyKeys {
  readonly #clock: Clock;
  readonly #tableOf: (entity: string) => MemoryTable | undefined;
  readonly #entities = new Map<string, Map<string, Entry>>();

  constructor(options: {
    readonly clock: Clock;
    readonly tableOf: (entity: string) => MemoryTable | undefined;
  }) {
    this.#clock = options.clock;
    this.#tableOf = options.tableOf;
  }

  async claim(
    entity: string,
    limit: number,
    holdMs: number,
    options?: CallOptions,
  ): Promise<readonly DirtyKey[]> {
    await turn(options);
    const entries = this.#of(entity);
    const now = this.#clock.monotonic();
    // A map keeps the order of first insertion, which is the order of age.
    const free = [...entries].filter(([, entry]) => entry.heldUntil <= now).slice(0, limit);
    for (const [text, entry] of free) entries.set(text, { ...entry, heldUntil: now + holdMs });
    return free.map(([, { key, version }]) => ({ key, version }));
  }

  async settle(entity: string, copied: readonly DirtyKey[], options?: CallOptions): Promise<void> {
    await turn(options);
    const entries = this.#of(entity);
    for (const { key, version } of copied) {
      const text = keyText(key);
      const entry = entries.get(text);
      if (!entry) continue;
      if (compareVersions(entry.version, version) === 0) entries.delete(text);
      else entries.set(text, { ...entry, heldUntil: 0 });
    }
  }

  async lag(
    entity: string,
    options?: CallOptions,
  ): Promise<{ readonly count: number; readonly oldestMs: number }> {
    await turn(options);
    const entries = this.#of(entity);
    const [oldest] = entries.values();
    return { count: entries.size, oldestMs: oldest ? this.#clock.monotonic() - oldest.sinceMs : 0 };
  }

  async markAll(entity: string, options?: CallOptions): Promise<void> {
    await turn(options);
    for (const { record } of this.#tableOf(entity)?.entries() ?? [])
      this.mark(entity, record.key, record.version);
  }

  /** Notes that a record changed, in one step with the change itself. */
  mark(entity: string, key: RecordKey, version: RecordVersion): void {
    const entries = this.#of(entity);
    const text = keyText(key);
    const there = entries.get(text);
    entries.set(text, {
      key: { partition: [...key.partition], id: key.id },
      version: { ...version },
      sinceMs: there?.sinceMs ?? this.#clock.monotonic(),
      heldUntil: there?.heldUntil ?? 0,
    });
  }

  #of(entity: string): Map<string, Entry> {
    const entries = this.#entities.get(entity) ?? new Map<string, Entry>();
    this.#entities.set(entity, entries);
    return entries;
  }
}
