import { randomUUID } from 'node:crypto';
import { badRequest } from '../service-error.ts';

/** Bytes of the ids of what lies in a container. */
const leafBytes = 16;

/**
 * Makes the `_rid` of resources: the parent's bytes, then a number, in base64 with `-` for `/`. What lies in a container
 * has its number in little-endian order: clients compare items by it when they resume an ordered query.
 */
export function createResourceIds(): {
  next(parent: string, bytes: number): string;
  /** Keeps clear of an id that was made in an earlier life of the same data. */
  seen(rid: string): void;
  /** How many were given out. */
  readonly count: number;
  /** Goes on after so many. */
  skip(count: number): void;
} {
  let count = 0;
  return {
    get count() {
      return count;
    },
    skip(given) {
      count = Math.max(count, given);
    },
    seen(rid) {
      count = Math.max(count, resourceNumber(rid) ?? 0);
    },
    next(parent, bytes) {
      const buffer = Buffer.alloc(bytes);
      Buffer.from(parent.replaceAll('-', '/'), 'base64').copy(buffer);
      count++;
      if (bytes === leafBytes) buffer.writeBigUInt64LE(BigInt(count), bytes - 8);
      else buffer.writeUInt32BE((count | 0x80000000) >>> 0, bytes - 4);
      return buffer.toString('base64').replaceAll('/', '-');
    },
  };
}

/** Reads the number back out of the `_rid` of a resource. */
export function resourceNumber(rid: string): number | undefined {
  const bytes = Buffer.from(rid.replaceAll('-', '/'), 'base64');
  if (bytes.length === leafBytes) return Number(bytes.readBigUInt64LE(bytes.length - 8));
  return bytes.length < 4 ? undefined : bytes.readUInt32BE(bytes.length - 4) & 0x7fffffff;
}

/** A generator of resource ids, shared by everything inside one emulator. */
export type ResourceIds = ReturnType<typeof createResourceIds>;

/** A new ETag, in the quotes that the service puts around it. */
export function newEtag(): string {
  return `"${randomUUID()}"`;
}

const forbidden = /[/\\?#]/;

/** Tells whether an item's id is one that clients and the service take: 1 to 1023 bytes, and none of `/ \ #`. */
export function isValidId(id: unknown): id is string {
  return typeof id === 'string' && id !== '' && !/[/\\#]/.test(id) && Buffer.byteLength(id) <= 1023;
}

/** Checks the id of anything but an item, which is shorter and does not end with a space. Throws 400. */
export function requireName(id: unknown): string {
  if (typeof id !== 'string' || id === '' || id.length > 255) {
    const name = typeof id === 'string' ? id.slice(0, 300) : '';
    throw badRequest(
      `The input name '${name}' is invalid. Ensure to provide a unique non-empty string less than '255' characters.`,
    );
  }
  const character = forbidden.exec(id)?.[0];
  if (character !== undefined) {
    throw badRequest(`The resource name presented contains invalid character '${character}'.`);
  }
  if (id.endsWith(' ')) throw badRequest("The resource name can't end with space.");
  return id;
}
