import type { Entity } from '@polyphase/core';

/** Name of the checkpoint of one range of an entity's change feed; with an empty range, what all of them begin with. */
export function checkpointName(entity: Entity, range: string): string {
  return `feed:${entity.name}:${range}`;
}
