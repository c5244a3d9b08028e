import type { CallOptions, NotedTallies, ShadowTallies, ShadowTally } from '@polyphase/core';
import type { Connections } from './connections.ts';
import { listTallies } from './sql/list-tallies.ts';
import { noteTallies } from './sql/note-tallies.ts';

/** Shadow tallies in `polyphase.shadow_tally`, timed by the server's clock. */
export class PostgresShadowTallies implements ShadowTallies {
  readonly #connections: Connections;

  constructor(options: { readonly connections: Connections }) {
    this.#connections = options.connections;
  }

  async note(noted: NotedTallies, { signal }: CallOptions = {}): Promise<void> {
    const place = { operation: 'note shadow tallies', key: noted.group, signal };
    await this.#connections.run([noteTallies.bind(noted)], place);
  }

  async list(
    group: string,
    epoch: number,
    withinMs: number,
    { signal }: CallOptions = {},
  ): Promise<readonly ShadowTally[]> {
    const place = { operation: 'list shadow tallies', key: group, signal };
    const [result] = await this.#connections.run([listTallies.bind({ group, epoch, withinMs })], place);
    return listTallies.rows(result);
  }
}
