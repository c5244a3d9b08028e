import { type CallOptions, type DirtyKey, type DirtyKeys, InvalidOptionsError } from '@polyphase/core';
import type { Connections } from './connections.ts';
import { claimDirtyKeys } from './sql/claim-dirty-keys.ts';
import { type DirtyLag, dirtyLag } from './sql/dirty-lag.ts';
import { markAllDirty } from './sql/mark-all-dirty.ts';
import { removeDirtyKeys } from './sql/remove-dirty-keys.ts';
import { unholdDirtyKeys } from './sql/unhold-dirty-keys.ts';
import type { Statement } from './statement.ts';
import type { Table } from './table.ts';

/** Dirty keys in `polyphase.dirty_key`. */
export class PostgresDirtyKeys implements DirtyKeys {
  readonly #connections: Connections;
  readonly #tableOf: (entity: string) => Omit<Table, 'layout'> | undefined;
  readonly #markers = new Map<string, Statement<string, undefined>>();

  constructor(options: {
    readonly connections: Connections;
    /** The table of an entity that the store was asked about. */
    readonly tableOf: (entity: string) => Omit<Table, 'layout'> | undefined;
  }) {
    this.#connections = options.connections;
    this.#tableOf = options.tableOf;
  }

  async claim(
    entity: string,
    limit: number,
    holdMs: number,
    { signal }: CallOptions = {},
  ): Promise<readonly DirtyKey[]> {
    const bound = claimDirtyKeys.bind({ entity, limit, holdMs });
    const [result] = await this.#connections.run([bound], { operation: 'claim', entity, signal });
    return claimDirtyKeys
      .rows(result)
      .toSorted((a, b) => a.sinceUs - b.sinceUs)
      .map(({ key, version }) => ({ key, version }));
  }

  async settle(entity: string, copied: readonly DirtyKey[], { signal }: CallOptions = {}): Promise<void> {
    if (copied.length === 0) return;
    // What is still there after the removal changed since, and may be claimed at once.
    const input = { entity, keys: copied };
    await this.#connections.run([removeDirtyKeys.bind(input), unholdDirtyKeys.bind(input)], {
      operation: 'settle',
      entity,
      signal,
    });
  }

  async lag(entity: string, { signal }: CallOptions = {}): Promise<DirtyLag> {
    const [result] = await this.#connections.run([dirtyLag.bind(entity)], {
      operation: 'lag',
      entity,
      signal,
    });
    return dirtyLag.rows(result)[0] ?? { count: 0, oldestMs: 0 };
  }

  async markAll(entity: string, { signal }: CallOptions = {}): Promise<void> {
    const table = this.#tableOf(entity);
    if (!table)
      throw new InvalidOptionsError({
        message: `The store does not know "${entity}"; prepare it first`,
        entity,
      });
    const statement = this.#markers.get(entity) ?? markAllDirty(table);
    this.#markers.set(entity, statement);
    await this.#connections.run([statement.bind(entity)], {
      operation: 'markAll',
      entity,
      signal,
      whole: true,
    });
  }
}
