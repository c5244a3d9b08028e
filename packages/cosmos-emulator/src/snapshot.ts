import type { Account } from './storage/account.ts';
import type { JournalEntry } from './storage/journal.ts';

/** The state of an account at one moment. It never changes, and can be cloned, posted to a worker or kept as JSON. */
export interface EmulatorSnapshot {
  /** Version of its form. */
  readonly format: 1;
  /** What makes the state out of nothing: an opaque text for each item and each other resource. */
  readonly entries: readonly string[];
}

/** Takes the state of an account. */
export function takeSnapshot(account: Account): EmulatorSnapshot {
  const entries = Array.from(account.entries(), (entry) => JSON.stringify(entry));
  return Object.freeze({ format: 1, entries: Object.freeze(entries) });
}

/** Reads a snapshot. Throws a TypeError for what is none. */
export function* entriesOf({ format, entries }: EmulatorSnapshot): Generator<JournalEntry> {
  // It may come from a file that another version wrote.
  if (format !== 1 || !Array.isArray(entries)) throw new TypeError('This is no snapshot of this version.');
  for (const text of entries) {
    const entry: JournalEntry = JSON.parse(text);
    yield entry;
  }
}
