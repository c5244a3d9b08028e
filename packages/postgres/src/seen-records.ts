import { type Entity, keyText, type RecordKey, type StoredRecord } from '@polyphase/core';

/** Versions of the records that a unit of work saw, so that a change in between is noticed. */
export class SeenRecords {
  readonly #versions = new Map<string, string>();

  /** Takes note of a record as it was read, or as the unit left it. */
  see(entity: Entity, key: RecordKey, record: StoredRecord | undefined): void {
    this.#versions.set(nameOf(entity, key), versionOf(record));
  }

  /** Whether a record is as it was seen last, if it was. */
  isUnchanged(entity: Entity, key: RecordKey, current: StoredRecord | undefined): boolean {
    const seen = this.#versions.get(nameOf(entity, key));
    return seen === undefined || seen === versionOf(current);
  }
}

function nameOf(entity: Entity, key: RecordKey): string {
  return `${entity.name} ${keyText(key)}`;
}

function versionOf(record: StoredRecord | undefined): string {
  return record ? `${record.version.term}.${record.version.counter}` : '';
}
