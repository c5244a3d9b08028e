/**
 * What a process does for its entities beside their calls: `relay` copies changes from one store to the other, `controller` walks the
 * phases. One process at a time follows a feed or walks a group; the others stand by. `serve` alone starts no such work.
 */
export type Role = 'serve' | 'relay' | 'controller';

/** Every role: what a process has that is told nothing else. */
export const ROLES: readonly Role[] = ['serve', 'relay', 'controller'];
