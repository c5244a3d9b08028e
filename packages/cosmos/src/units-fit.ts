import type { GateAnswer } from '@polyphase/core';
import type { PlacedEntity } from './cosmos-map.ts';
import { formatPath, partitionPaths } from './partition-key.ts';

/**
 * Whether an entity and those that change together with it fit one transactional batch: one container, partitioned by the same paths. No
 * answer where nothing changes together with it.
 */
export function unitsAnswers(
  place: PlacedEntity,
  together: ReadonlyMap<string, PlacedEntity | undefined>,
): readonly GateAnswer[] {
  const others = [...together].filter(([name]) => name !== place.entity.name);
  if (others.length === 0) return [];
  const apart = others.filter(([, other]) => !other || whereOf(other) !== whereOf(place));
  const shown = (apart.length === 0 ? others : apart).map(([name, other]) =>
    other ? `${name} in ${whereOf(other)}` : `${name} not registered here`,
  );
  return [
    {
      name: 'units of work',
      passed: apart.length === 0,
      seen: `${place.entity.name} in ${whereOf(place)}; ${shown.join('; ')}`,
      wanted:
        'one container and the same partition key for entities that move together: below phase 7 a unit of work is one batch in one logical partition; put them into one container, or take those that are apart out of the group in config',
    },
  ];
}

function whereOf({ entity, container }: PlacedEntity): string {
  return `container "${container}" by ${partitionPaths(entity).map(formatPath).join(', ')}`;
}
