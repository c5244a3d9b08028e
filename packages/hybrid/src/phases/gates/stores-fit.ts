import type { Gate } from './gate.ts';

/** The container fits, also what changes together with the entity, and whoever else reads it has been thought of. */
export const documentsAdopted: Gate = {
  name: 'container fits',
  look: async ({ group }, signal) =>
    (await group.stores.cosmos?.verify(group.entity, {
      adopting: true,
      together: group.row?.wish.together,
      signal,
    })) ?? [],
  ahead: true,
};

/** The container fits. Looked at again on the way: somebody may have changed it, its default time to live above all. */
export const documentsFit: Gate = {
  name: 'container fits',
  look: async ({ group }, signal) =>
    (await group.stores.cosmos?.verify(group.entity, { together: group.row?.wish.together, signal })) ?? [],
  ahead: true,
};

/** The table fits. Before PostgreSQL can be the authority, its unique indexes must hold every row: values that clash are kept out. */
export const rowsFit: Gate = {
  name: 'table fits',
  look: ({ group, postgres }, signal) => postgres.verify(group.entity, { signal }),
};

/** The table is made, and fits. */
export const rowsPrepared: Gate = {
  name: 'table fits',
  look: async (place, signal) => {
    await place.postgres.prepare([place.group.entity], { signal });
    return rowsFit.look(place, signal);
  },
  foresee: rowsFit.look,
};
