import {
  type FieldType,
  isJsonObject,
  type JsonObject,
  type JsonValue,
  MAX_DEPTH,
  portabilityIssues,
} from '@polyphase/core';
import type { Cell } from './driver.ts';
import type { Table } from './table.ts';

/** Makes an own field of every name, "__proto__" included. */
export function setField(value: Record<string, JsonValue>, name: string, field: JsonValue): void {
  if (name !== '__proto__') value[name] = field;
  else
    Object.defineProperty(value, name, {
      value: field,
      enumerable: true,
      writable: true,
      configurable: true,
    });
}

function fieldValue(type: FieldType, cell: string): JsonValue {
  if (type === 'text') return cell;
  if (type === 'number') return Number(cell);
  // PostgreSQL keeps JSON as JSON.
  return type === 'boolean' ? cell === 't' : (JSON.parse(cell) as JsonValue);
}

/** Where the cells of a value are among those of a row: at `from` the rest, behind it the fields in the order of the table. */
export interface ValuePlace {
  readonly table: Table;
  readonly from: number;
}

/** The value of a row, of its id and its cells. */
export function valueOfRow(place: ValuePlace, id: string, cells: readonly Cell[]): JsonObject {
  const { entity, columns } = place.table;
  const value: Record<string, JsonValue> = {};
  setField(value, entity.key.id, id);
  for (let i = 0; i < columns.length; i += 1) {
    const column = columns[i];
    const cell = cells[place.from + 1 + i];
    if (column && cell !== null && cell !== undefined)
      setField(value, column.field, fieldValue(column.type, cell));
  }
  const text = cells[place.from] ?? '{}';
  if (text === '{}') return value;
  const rest: unknown = JSON.parse(text);
  if (isJsonObject(rest)) for (const [name, field] of Object.entries(rest)) setField(value, name, field);
  return value;
}

// Nesting takes two characters a level, and a number that JSON.parse loses takes hundreds of digits.
const SHORT_JSON = 2 * MAX_DEPTH;

/**
 * Whether every store could hold the value that {@link valueOfRow} makes of a row. PostgreSQL keeps no text that others refuse; a raw
 * writer may have put the rest there: numbers that JSON has not, nesting without end, names that end with a backslash.
 */
export function isPortableRow({ table, from }: ValuePlace, cells: readonly Cell[]): boolean {
  for (let i = 0; i < table.columns.length; i += 1) {
    const type = table.columns[i]?.type;
    const cell = cells[from + 1 + i];
    if (cell === null || cell === undefined) continue;
    if (type === 'number' && !isPortableNumber(Number(cell))) return false;
    if (type === 'json' && !isPortableJson(cell, 1)) return false;
  }
  const rest = cells[from];
  return rest === null || rest === undefined || isPortableJson(rest, 0);
}

function isPortableNumber(number: number): boolean {
  return Number.isFinite(number) && !Object.is(number, -0);
}

function isPortableJson(text: string, above: 0 | 1): boolean {
  if (text.length < SHORT_JSON && !text.includes('\\')) return true;
  const json: unknown = JSON.parse(text);
  return portabilityIssues(above === 0 ? json : [json]).length === 0;
}
