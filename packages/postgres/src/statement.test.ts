import { sql } from 'kysely';
import { expect, it } from 'vitest';
import { arrayLiteral, defineStatement, noRow } from './statement.ts';

it('binds values in the order of their places, whatever they hold', () => {
  const statement = defineStatement<{ a: string; b: string | null }, undefined>(
    (slot) =>
      sql`select ${slot(({ b }) => b)}::text, ${slot(({ a }) => a)}::text from ${sql.id('s"', 'x;--')}`,
    noRow,
  );
  expect(statement.text).toBe('select $1::text, $2::text from "s"""."x;--"');
  expect(statement.bind({ a: "'; drop", b: null }).values).toEqual([null, "'; drop"]);
});

it('is named after its text', () => {
  const make = (text: string) =>
    defineStatement<undefined, undefined>(() => sql.raw(text), noRow).bind(undefined).name;
  expect(make('select 1')).toBe(make('select 1'));
  expect(make('select 1')).not.toBe(make('select 2'));
});

it('refuses a value that would be compiled in', () => {
  expect(() => defineStatement<undefined, undefined>(() => sql`select ${'frozen'}`, noRow)).toThrow(
    TypeError,
  );
});

it('writes array literals that PostgreSQL reads back', () => {
  expect(arrayLiteral([])).toBe('{}');
  expect(arrayLiteral(['a', null, '', 'NULL', '"\\', '{,}'])).toBe('{"a",NULL,"","NULL","\\"\\\\","{,}"}');
});
