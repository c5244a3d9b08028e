import type { CallOptions, Journal, Journaled, ResolveOptions } from '@polyphase/core';
import type { Connections } from './connections.ts';
import { appendJournal } from './sql/append-journal.ts';
import { countJournal, type JournalCounts } from './sql/count-journal.ts';
import { listJournal } from './sql/list-journal.ts';
import { resolveJournal } from './sql/resolve-journal.ts';

/** The journal in `polyphase.journal`. What is closed stays, with its date. */
export class PostgresJournal implements Journal {
  readonly #connections: Connections;

  constructor(options: { readonly connections: Connections }) {
    this.#connections = options.connections;
  }

  async append(entries: readonly Journaled[], { signal }: CallOptions = {}): Promise<void> {
    if (entries.length === 0) return;
    await this.#connections.run([appendJournal.bind(entries)], { operation: 'append', signal });
  }

  async list(entity: string, { signal }: CallOptions = {}): Promise<readonly Journaled[]> {
    const place = { operation: 'list journal', entity, signal };
    const [result] = await this.#connections.run([listJournal.bind(entity)], place);
    return listJournal.rows(result);
  }

  async count(entity: string, { signal }: CallOptions = {}): Promise<JournalCounts> {
    const place = { operation: 'count journal', entity, signal };
    const [result] = await this.#connections.run([countJournal.bind(entity)], place);
    return countJournal.rows(result)[0] ?? { deadLetters: 0, conflicts: 0 };
  }

  async resolve(entity: string, keys: readonly string[], options: ResolveOptions = {}): Promise<void> {
    if (keys.length === 0) return;
    const { kind = 'dead-letter', signal } = options;
    await this.#connections.run([resolveJournal.bind({ entity, kind, keys })], {
      operation: 'resolve',
      entity,
      signal,
    });
  }
}
