import type { StoredItem } from './stored-item.ts';

/** When an item expires, in milliseconds since the Unix epoch: never without a default, nor with a `ttl` of -1. */
export function expiryOf({ document, writtenMs }: StoredItem, defaultTtl: number | undefined): number {
  if (defaultTtl === undefined) return Number.POSITIVE_INFINITY;
  const ttl = typeof document.ttl === 'number' ? document.ttl : defaultTtl;
  return ttl === -1 ? Number.POSITIVE_INFINITY : writtenMs + ttl * 1000;
}
