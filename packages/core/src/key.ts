import { digestOf, hash128 } from './digest.ts';
import { InvalidDataError } from './errors.ts';
import { type Issue, portabilityIssues, quoted } from './json.ts';

/** One level of a partition key. Absent (undefined), null, 1 and "1" are four different values. */
export type PartitionLevel = string | number | boolean | null | undefined;

/** What identifies one record in every store: the levels of its partition key, and its id inside that partition. */
export interface RecordKey {
  readonly partition: readonly PartitionLevel[];
  readonly id: string;
}

/** Longest id that every store accepts, in bytes of UTF-8 (the limit of Cosmos DB). */
export const MAX_ID_BYTES = 1_023;

/**
 * Longest text of a whole partition key that every store accepts, in bytes of UTF-8: together with the longest id it still fits
 * an index row of PostgreSQL (2,704 bytes), and Cosmos DB takes 2,048.
 */
export const MAX_PARTITION_BYTES = 1_536;

/** Number of hash buckets that keys fall into. Stores are compared bucket by bucket. */
export const BUCKETS = 1_024;

/** Ids that start so are the SDK's own documents: permits, markers, leases, checkpoints. */
export const RESERVED_ID_PREFIX = 'hyb:';

/** The canonical text of a partition: a JSON array of its levels, with `{}` for an absent one, as Cosmos DB writes it. */
export function partitionText(partition: readonly PartitionLevel[]): string {
  // Appended to one text: this is made for every key of every call.
  let text = '';
  for (const level of partition) text += `${text === '' ? '[' : ','}${levelText(level)}`;
  return text === '' ? '[]' : `${text}]`;
}

function levelText(level: PartitionLevel): string {
  if (level === undefined) return '{}';
  return typeof level === 'string' ? quoted(level) : JSON.stringify(level);
}

/** The levels that {@link partitionText} made a text of. */
export function partitionOf(text: string): readonly PartitionLevel[] {
  // One level of plain text, as most are: what is between the quotes.
  if (
    text.startsWith('["') &&
    text.endsWith('"]') &&
    text.indexOf('"', 2) === text.length - 2 &&
    !text.includes('\\')
  )
    return [text.slice(2, -2)];
  const levels: unknown = JSON.parse(text);
  if (!Array.isArray(levels))
    throw new InvalidDataError({
      message: 'A stored partition key is not a JSON array; the row was not written by this SDK.',
    });
  return levels.map((level: unknown): PartitionLevel => {
    if (
      level === null ||
      typeof level === 'string' ||
      typeof level === 'number' ||
      typeof level === 'boolean'
    )
      return level;
    return undefined;
  });
}

/** One text for a whole key, for maps and messages: partition text, a space, the id. */
export function keyText(key: RecordKey): string {
  return `${partitionText(key.partition)} ${key.id}`;
}

/** Tells whether two keys name the same record. */
export function keyEquals(a: RecordKey, b: RecordKey): boolean {
  return a.id === b.id && partitionText(a.partition) === partitionText(b.partition);
}

/** The bucket of a key, 0 to {@link BUCKETS} − 1: the same in every store and process. */
export function bucketOf(key: RecordKey): number {
  return hash128(keyText(key))[0] % BUCKETS;
}

// A UTF-16 unit takes at most three bytes of UTF-8, so that most texts need not be counted.
function isLongerThan(bytes: number, text: string): boolean {
  return text.length * 3 > bytes && new TextEncoder().encode(text).length > bytes;
}

/** A short name for a key in messages and dead letters: the id where it is harmless text, else its digest. */
export function keyLabel(key: RecordKey): string {
  return /^[\w.@:-]{1,64}$/.test(key.id) ? key.id : `#${digestOf(keyText(key)).slice(0, 12)}`;
}

// Nearly every key is of this kind, and needs no closer look: nothing that is reserved or refused, and three levels are short enough.
const PLAIN = /^[\w-]{1,255}$/;

function isPlain(key: RecordKey): boolean {
  if (typeof key.id !== 'string' || !PLAIN.test(key.id) || key.partition.length > 3) return false;
  for (const level of key.partition) if (typeof level !== 'string' || !PLAIN.test(level)) return false;
  return true;
}

/**
 * Refuses a key that some store cannot hold: an empty or reserved id, one with `/`, `\`, `?` or `#`, one past
 * {@link MAX_ID_BYTES}, `.` and `..` (a path to something else in the URLs of Cosmos DB), text with NUL or a lone surrogate, a
 * number that is not finite, a partition past {@link MAX_PARTITION_BYTES}.
 *
 * @throws {@link InvalidDataError} with one issue for each thing that is wrong
 */
export function checkKey(key: RecordKey, entity: string): void {
  if (isPlain(key)) return;
  const issues: Issue[] = [];
  const refuse = (message: string) => issues.push({ path: ['id'], message });
  if (typeof key.id !== 'string' || key.id === '') refuse('must be text and not empty');
  else {
    if (/[/\\?#]/.test(key.id)) refuse('must not hold / \\ ? or #, which Cosmos DB refuses in an id');
    if (key.id === '.' || key.id === '..') refuse('must not be . or .., which lead elsewhere in a URL');
    if (isLongerThan(MAX_ID_BYTES, key.id)) refuse(`must not be longer than ${MAX_ID_BYTES} bytes`);
    if (key.id.startsWith(RESERVED_ID_PREFIX))
      refuse(`must not start with "${RESERVED_ID_PREFIX}", which is reserved`);
    if (key.id.endsWith(' ')) refuse('must not end with a space, which Cosmos DB clients trim');
    issues.push(...portabilityIssues(key.id).map(({ message }) => ({ path: ['id'], message })));
  }
  key.partition.forEach((level, i) => {
    if (level !== undefined)
      issues.push(...portabilityIssues(level).map(({ message }) => ({ path: ['partition', i], message })));
    if (typeof level === 'object' && level !== null)
      issues.push({ path: ['partition', i], message: 'must be text, a number, a boolean or null' });
  });
  if (isLongerThan(MAX_PARTITION_BYTES, partitionText(key.partition)))
    issues.push({
      path: ['partition'],
      message: `must not be longer than ${MAX_PARTITION_BYTES} bytes in all`,
    });
  if (issues.length > 0)
    throw new InvalidDataError({ message: `The key of ${entity} cannot be stored`, entity, issues });
}
