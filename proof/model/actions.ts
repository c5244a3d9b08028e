import type { Action } from './action.ts';
import { coordinatorActions } from './coordinator-actions.ts';
import { copyActions } from './copy-actions.ts';
import { memberActions } from './member-actions.ts';
import { openingActions } from './opening-actions.ts';
import { relayActions } from './relay-actions.ts';
import { RANGES } from './state.ts';
import type { World } from './world.ts';
import { worldActions } from './world-actions.ts';

/** Everything that can happen in a world, one row for each kind of event. */
export const ACTIONS: readonly Action[] = [
  ...memberActions,
  ...openingActions,
  ...coordinatorActions,
  ...relayActions,
  ...copyActions,
  ...worldActions,
];

/** How many there are of those who do an action. */
export function actorsOf({ actor }: Action, world: World): number {
  const counts: { readonly [A in Action['actor']]: number } = {
    member: world.members.length,
    coordinator: world.coordinators,
    relay: world.relays,
    copy: world.relays * RANGES,
    key: world.keys,
    world: 1,
  };
  return counts[actor];
}

/** Who does an action, as a trace names them. */
export function actorName({ actor }: Action, index: number): string {
  if (actor === 'world') return '';
  if (actor === 'copy') return `relay ${Math.floor(index / RANGES)} range ${index % RANGES}: `;
  return `${actor} ${index}: `;
}
