import {
  type CallOptions,
  type Checkpoint,
  type CheckpointAdvance,
  type CheckpointStore,
  FencedError,
} from '@polyphase/core';
import type { Connections } from './connections.ts';
import { advanceCheckpoint } from './sql/advance-checkpoint.ts';
import { listCheckpoints } from './sql/list-checkpoints.ts';
import { readCheckpoint } from './sql/read-checkpoint.ts';
import { removeCheckpoint } from './sql/remove-checkpoint.ts';

/** Checkpoints in `polyphase.checkpoint`. */
export class PostgresCheckpointStore implements CheckpointStore {
  readonly #connections: Connections;

  constructor(options: { readonly connections: Connections }) {
    this.#connections = options.connections;
  }

  async read(name: string, { signal }: CallOptions = {}): Promise<Checkpoint | undefined> {
    const place = { operation: 'read checkpoint', key: name, signal };
    const [result] = await this.#connections.run([readCheckpoint.bind(name)], place);
    return readCheckpoint.rows(result)[0];
  }

  async list(prefix: string, { signal }: CallOptions = {}): Promise<ReadonlyMap<string, Checkpoint>> {
    const place = { operation: 'list checkpoints', signal };
    const [result] = await this.#connections.run([listCheckpoints.bind(prefix)], place);
    return new Map(listCheckpoints.rows(result).map(({ name, ...checkpoint }) => [name, checkpoint]));
  }

  async advance(step: CheckpointAdvance, { signal }: CallOptions = {}): Promise<Checkpoint> {
    const place = {
      operation: 'advance checkpoint',
      key: step.name,
      signal,
      unknownAs: `${step.name} ${step.expected}`,
    };
    const statement = advanceCheckpoint(step);
    const [result] = await this.#connections.run([statement.bind(step)], place);
    const revision = statement.rows(result)[0];
    if (revision === undefined)
      throw new FencedError({
        message: `The checkpoint is not at ${step.expected}, or the lease was lost`,
        operation: place.operation,
        key: step.name,
      });
    return { position: step.position, revision };
  }

  async remove(name: string, { signal }: CallOptions = {}): Promise<void> {
    const place = { operation: 'remove checkpoint', key: name, signal };
    await this.#connections.run([removeCheckpoint.bind(name)], place);
  }
}
