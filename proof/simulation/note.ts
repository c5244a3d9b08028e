import { defineEntity, type JsonObject } from '@polyphase/core';
import { z } from 'zod';

/** The entity of every simulated world. */
export const Note = defineEntity({
  name: 'notes',
  schema: z.object({
    id: z.string(),
    owner: z.string(),
    /** The operation that made this value. */
    text: z.string(),
    /** What the last full write wrote. */
    rank: z.number(),
    /** The operations that this value descends from: its last full write and the patches since. */
    marks: z.record(z.string(), z.number()),
  }),
  key: { partition: 'owner', id: 'id' },
  indexes: [{ fields: ['rank'] }],
});

/** The operation that made a value of {@link Note}. */
export function textOf(value: JsonObject | undefined): string {
  const text = value?.['text'];
  return typeof text === 'string' ? text : '';
}
