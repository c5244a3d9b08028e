import { defineEntity } from '@polyphase/core';
import { z } from 'zod';

/**
 * Movies as they are: a few have a number for a title, or none. `loose` lets what the schema refuses stay and move as it is.
 */
export const Movie = defineEntity({
  name: 'movies',
  schema: z.object({
    id: z.string(),
    Distributor: z.string().nullable(),
    Title: z.string(),
    'IMDB Rating': z.number().nullable().optional(),
    'IMDB Votes': z.number().nullable().optional(),
  }),
  key: { partition: 'Distributor', id: 'id' },
  indexes: [{ fields: ['Title'] }],
  loose: true,
});

/** Features of the web platform: deep documents, with keys such as `__compat` that no table has columns for. */
export const Feature = defineEntity({
  name: 'features',
  schema: z.object({
    id: z.string(),
    area: z.string(),
    __compat: z.looseObject({}),
    reviews: z.number().optional(),
  }),
  key: { partition: 'area', id: 'id' },
});
