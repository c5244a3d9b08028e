import { describe, expect, it } from 'vitest';
import { tokenize } from './lexer.ts';

const texts = (query: string) => tokenize(query).map((token) => `${token.type} ${token.text}`);

describe('tokenize', () => {
  it('reads words, keywords in any case, parameters and signs', () => {
    expect(texts('select c.Value FROM c_1 where @p>=1')).toEqual([
      'keyword SELECT',
      'name c',
      'sign .',
      'keyword VALUE',
      'keyword FROM',
      'name c_1',
      'keyword WHERE',
      'parameter @p',
      'sign >=',
      'number 1',
      'end ',
    ]);
  });

  it('reads numbers and strings in every form', () => {
    expect(texts('0x1F 1.5e-3 .5 7.')).toEqual([
      'number 0x1F',
      'number 1.5e-3',
      'number .5',
      'number 7.',
      'end ',
    ]);
    expect(texts(String.raw`'it\'s' "a\"b\n\u00e9" ''`)).toEqual([
      "string it's",
      'string a"b\né',
      'string ',
      'end ',
    ]);
  });

  it('skips blanks and comments', () => {
    expect(texts('1 -- one\n/* two\n */ 2')).toEqual(['number 1', 'number 2', 'end ']);
  });

  it.each(["'open", '#', 'a ; b'])('refuses %s with its position', (query) => {
    expect(() => tokenize(query)).toThrow('"code":"SC1001"');
  });
});
