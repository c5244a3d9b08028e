import { type Entity, keyText, type StoredRecord, type WriteIntent } from '@polyphase/core';

/** Operation ids that each record remembered before a unit of work wrote it. */
export class FormerOperations {
  readonly #ids = new Map<string, ReadonlySet<string>>();

  /** The record as a write of the unit is decided on. Several of its writes may carry its id: only what was committed before counts as done. */
  without(
    entity: Entity,
    { key, operationId }: WriteIntent,
    current: StoredRecord | undefined,
  ): StoredRecord | undefined {
    const name = `${entity.name} ${keyText(key)}`;
    const before = this.#ids.get(name) ?? new Set(current?.operations.map(({ id }) => id));
    this.#ids.set(name, before);
    if (!current) return undefined;
    const operations = current.operations.filter(({ id }) => id !== operationId || before.has(id));
    return { ...current, operations };
  }
}
