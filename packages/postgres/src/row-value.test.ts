import { defineEntity, portabilityIssues } from '@polyphase/core';
import { expect, test } from 'vitest';
import { z } from 'zod';
import { isPortableRow, valueOfRow } from './row-value.ts';
import { wantedTable } from './table.ts';

const entity = defineEntity({
  name: 'things',
  schema: z.object({
    id: z.string(),
    t: z.string(),
    n: z.number().optional(),
    j: z.looseObject({}).optional(),
  }),
  key: { partition: 't', id: 'id' },
});
const table = { ...wantedTable({ schema: 'public', map: {} }, entity), layout: 1 };
const deep = (levels: number, text = '1'): string => `${'{"a":'.repeat(levels)}${text}${'}'.repeat(levels)}`;
const digits = '9'.repeat(400);

test.each([
  { rest: null, n: null, j: null },
  { rest: null, n: '1.5', j: '{"a": [1, null, "x"]}' },
  { rest: '{"more": {"x": "a quote \\" and a tab \\t"}}', n: '0', j: null },
  { rest: `{"long": "${'x'.repeat(500)}"}`, n: null, j: deep(50) },
  { rest: null, n: 'NaN', j: null },
  { rest: null, n: '-0', j: null },
  { rest: null, n: '-Infinity', j: null },
  { rest: null, n: null, j: '{"a\\\\": 1}' },
  { rest: '{"a\\\\": 1}', n: null, j: null },
  { rest: `{"n": ${digits}}`, n: null, j: null },
  { rest: null, n: null, j: `{"n": [-0.${'0'.repeat(400)}1]}` },
  { rest: null, n: null, j: deep(99) },
  { rest: null, n: null, j: deep(100) },
  { rest: null, n: null, j: '['.repeat(99) + ']'.repeat(99) },
  { rest: null, n: null, j: '['.repeat(100) + ']'.repeat(100) },
  { rest: deep(100), n: null, j: null },
  { rest: deep(101), n: null, j: null },
  { rest: `{"deep": ${deep(400)}}`, n: null, j: null },
])('whether a row is portable is what a look at its value says (%#)', ({ rest, n, j }) => {
  const cells = ['before', rest, 't1', n, j];
  const place = { table, from: 1 };
  const value = valueOfRow(place, 'a', cells);
  expect(isPortableRow(place, cells)).toBe(portabilityIssues(value).length === 0);
});
