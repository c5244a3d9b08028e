import type { Issue } from './json.ts';
import type { CallOptions } from './record-store.ts';

/** Something that could not be stored or merged, set aside with what a person needs to decide. */
export interface Journaled {
  /** `dead-letter`: a document that could not be mapped or stored. `conflict`: two bodies of one record, neither older. */
  readonly kind: 'dead-letter' | 'conflict';
  readonly entity: string;
  /** The record's key text, or what label the document has. */
  readonly key: string;
  /** What happened, and what would mend it. No values. */
  readonly reason: string;
  readonly issues: readonly Issue[];
  /** The bodies, as JSON texts: of the document that was set aside, and of what was kept. */
  readonly bodies: { readonly theirs: string | undefined; readonly ours: string | undefined };
}

/** Options of {@link Journal.resolve}. */
export interface ResolveOptions extends CallOptions {
  /** Which entries of the keys. @default "dead-letter" */
  readonly kind?: Journaled['kind'] | undefined;
}

/** Keeps what was set aside. Appending the same entry again (same kind, entity, key and bodies) changes nothing. */
export interface Journal {
  /** Adds entries, all or none. */
  append(entries: readonly Journaled[], options?: CallOptions): Promise<void>;
  /** Entries that are open, oldest first, at most 1,000. */
  list(entity: string, options?: CallOptions): Promise<readonly Journaled[]>;
  /** Number of open entries of an entity, by kind. */
  count(
    entity: string,
    options?: CallOptions,
  ): Promise<{ readonly deadLetters: number; readonly conflicts: number }>;
  /**
   * Closes the open entries of records. Dead letters are closed by the SDK when a later version of the document was stored; a
   * conflict by the person who decided which body holds, after writing it. An entry that comes again is open again.
   */
  resolve(entity: string, keys: readonly string[], options?: ResolveOptions): Promise<void>;
}
