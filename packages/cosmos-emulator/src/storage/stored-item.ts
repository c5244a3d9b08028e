import type { Json, JsonObject } from '../json.ts';
import type { LogicalPartition } from './logical-partition.ts';
import type { LogEntry } from './ordered-log.ts';

/** One version of an item; a write makes a new one and ends the one before. */
export interface StoredItem extends LogEntry {
  /** False once a newer version, or nothing, has taken its place. */
  live: boolean;
  readonly id: string;
  /** Place in the order of creation inside the container; stays over replaces. */
  readonly sequence: number;
  /** Place in the order of writes inside the physical partition; given by the commit. */
  lsn: number;
  readonly partition: LogicalPartition;
  /** When it was written, in milliseconds since the Unix epoch; to the second, as `_ts` is, when it was restored. */
  readonly writtenMs: number;
  /** The document with its system properties. Never changed in place. */
  readonly document: StoredDocument;
  /** Length of the document as JSON text. The text itself is not kept: it would double the memory of each item. */
  readonly size: number;
  /** Claims in the unique-key index. */
  readonly uniqueClaims: readonly string[];
}

/** A document as the caller sent it, its id checked. */
export interface Document extends JsonObject {
  id: string;
}

/** A document as stored: what the caller sent, and what the service adds. */
export interface StoredDocument extends JsonObject {
  id: string;
  _rid: string;
  _self: string;
  _etag: string;
  _attachments: string;
  _ts: number;
  ttl?: Json;
}

/** Writes an item as JSON text. */
export function textOf({ document }: StoredItem): string {
  return JSON.stringify(document);
}

/** Reads a document from the text that it was stored as. */
export function parseStored(text: string): StoredDocument {
  const document: StoredDocument = JSON.parse(text);
  return document;
}

const systemProperties: ReadonlySet<string> = new Set([
  '_rid',
  '_self',
  '_etag',
  '_attachments',
  '_ts',
  '_lsn',
]);

/** Copies a document without the properties that only the service sets. */
export function withoutSystemProperties(document: JsonObject): JsonObject {
  const entries = Object.entries(document).filter(([name]) => !systemProperties.has(name));
  return Object.fromEntries(entries);
}

/** Tells whether a document carries a property that only the service sets. */
export function hasSystemProperties(document: JsonObject): boolean {
  for (const name of systemProperties) if (Object.hasOwn(document, name)) return true;
  return false;
}
