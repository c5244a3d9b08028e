import type { OperationInput } from '@azure/cosmos';
import {
  type CallOptions,
  type Checkpoint,
  type CheckpointAdvance,
  type CheckpointStore,
  FencedError,
  isJsonObject,
  type JsonObject,
  TransactionConflictError,
} from '@polyphase/core';
import type { CosmosContainer, ItemCall } from './cosmos-container.ts';
import { STAMP_FIELD } from './cosmos-document.ts';
import { SqlParameters, sqlPath } from './cosmos-sql.ts';
import { pause, WRITE_ATTEMPTS } from './cosmos-write.ts';
import { reservedCall, reservedDocument, reservedId, reservedPartition } from './reserved-document.ts';

/**
 * Checkpoints as documents under their ETag, in the logical partition of the leases: a step and the check of its lease are one
 * transactional batch.
 */
export class CosmosCheckpointStore implements CheckpointStore {
  readonly #itemsOf: () => CosmosContainer;

  constructor(options: { readonly itemsOf: () => CosmosContainer }) {
    this.#itemsOf = options.itemsOf;
  }

  async read(name: string, options: CallOptions = {}): Promise<Checkpoint | undefined> {
    const { document } = await this.#itemsOf().read(await this.#call(name, options));
    return document && entryOf(document)?.checkpoint;
  }

  async list(prefix: string, options: CallOptions = {}): Promise<ReadonlyMap<string, Checkpoint>> {
    const items = this.#itemsOf();
    const partition = reservedPartition(await items.info(options));
    const parameters = new SqlParameters();
    const id = sqlPath(['id']);
    const query = `SELECT * FROM c WHERE STARTSWITH(${id}, ${parameters.add(reservedId('checkpoint', prefix))}) ORDER BY ${id}`;
    const found: [string, Checkpoint][] = [];
    const spec = { query, parameters: parameters.list() };
    for await (const { rows } of items.query(spec, { operation: 'checkpoint', partition, ...options }))
      for (const row of rows) {
        const entry = entryOf(row);
        if (entry) found.push([entry.name, entry.checkpoint]);
      }
    return new Map(found);
  }

  async advance(step: CheckpointAdvance, options: CallOptions = {}): Promise<Checkpoint> {
    const items = this.#itemsOf();
    const call = await this.#call(step.name, options);
    const next = { position: step.position, revision: step.expected + 1 };
    let lost = false;
    for (let attempt = 1; attempt <= WRITE_ATTEMPTS; attempt += 1) {
      const { document, etag } = await items.read(call);
      const there = document && entryOf(document)?.checkpoint;
      // Sent, not answered, and found: it took effect.
      if (lost && there?.revision === next.revision && there.position === next.position) return next;
      if ((there?.revision ?? 0) !== step.expected)
        throw new FencedError({
          message: `The checkpoint is at ${there?.revision ?? 0}, not at ${step.expected}`,
          operation: 'advance',
          key: step.name,
        });
      const outcome = await this.#send(step, { next, etag, call });
      if (outcome === 'written') return next;
      if (outcome === 'fenced')
        throw new FencedError({
          message: 'The lease was lost; another moves this checkpoint',
          operation: 'advance',
          key: step.name,
        });
      lost ||= outcome === 'lost';
      await pause(attempt, options.signal);
    }
    throw new TransactionConflictError({
      message: `The checkpoint could not be moved in ${WRITE_ATTEMPTS} attempts; read it and try again`,
      operation: 'advance',
      key: step.name,
    });
  }

  async remove(name: string, options: CallOptions = {}): Promise<void> {
    const outcome = await this.#itemsOf().remove(undefined, await this.#call(name, options));
    if (outcome.kind === 'lost') throw outcome.error;
  }

  async #send(
    step: CheckpointAdvance,
    write: { readonly next: Checkpoint; readonly etag: string | undefined; readonly call: ItemCall },
  ): Promise<'written' | 'fenced' | 'refused' | 'lost'> {
    const { next, etag, call } = write;
    const items = this.#itemsOf();
    const document = reservedDocument(await items.info({ signal: call.signal }), {
      kind: 'checkpoint',
      id: call.id,
      content: { name: step.name, position: next.position, revision: next.revision },
    });
    const change: OperationInput =
      etag === undefined
        ? { operationType: 'Create', resourceBody: { ...document } }
        : { operationType: 'Replace', id: call.id, resourceBody: { ...document }, ifMatch: etag };
    const check = step.lease ? [leaseCheck(step.lease)] : [];
    const outcome = await items.batch([...check, change], call);
    if (outcome.kind !== 'statuses') return outcome.kind;
    const failed = outcome.statuses.findIndex((status) => status >= 300 && status !== 424);
    return step.lease && failed === 0 ? 'fenced' : 'refused';
  }

  async #call(name: string, { signal }: CallOptions): Promise<ItemCall> {
    const info = await this.#itemsOf().info({ signal });
    return reservedCall(info, reservedId('checkpoint', name), { operation: 'checkpoint', signal });
  }
}

// A patch that changes nothing of the lease but notes who leaned on it: its condition is what the batch stands or falls with.
function leaseCheck(lease: { readonly name: string; readonly token: number }): OperationInput {
  const field = (name: string): string => `c["${STAMP_FIELD}"]["${name}"]`;
  return {
    operationType: 'Patch',
    id: reservedId('lease', lease.name),
    resourceBody: {
      operations: [{ op: 'set', path: `/${STAMP_FIELD}/checked`, value: Math.trunc(lease.token) }],
      condition: `FROM c WHERE ${field('token')} = ${Math.trunc(lease.token)} AND NOT IS_NULL(${field('holder')})`,
    },
  };
}

function entryOf(
  document: JsonObject,
): { readonly name: string; readonly checkpoint: Checkpoint } | undefined {
  const stamp = document[STAMP_FIELD];
  if (!isJsonObject(stamp)) return undefined;
  const { name, position, revision } = stamp;
  if (typeof name !== 'string' || typeof position !== 'string' || typeof revision !== 'number')
    return undefined;
  return { name, checkpoint: { position, revision } };
}
