import {
  type Entity,
  encodeVersion,
  keyText,
  type RecordKey,
  type StoredRecord,
  type Version,
} from '@polyphase/core';

/** Versions of the records that a unit of work saw, so that a change in between is noticed. */
export class SeenRecords {
  readonly #versions = new Map<string, Version | undefined>();

  /** Takes note of a record as it was read, or as the unit left it: of its version; undefined where there was none. */
  see(entity: Entity, key: RecordKey, version: Version | undefined): void {
    this.#versions.set(nameOf(entity, key), version);
  }

  /** Whether a record is as it was seen last, if it was. */
  isUnchanged(entity: Entity, key: RecordKey, current: StoredRecord | undefined): boolean {
    const name = nameOf(entity, key);
    return !this.#versions.has(name) || this.#versions.get(name) === versionOf(current);
  }
}

function nameOf(entity: Entity, key: RecordKey): string {
  return `${entity.name} ${keyText(key)}`;
}

/** The version of a record that may not be there. */
export function versionOf(record: StoredRecord | undefined): Version | undefined {
  return record && encodeVersion(record.version);
}
