import { describe, expect, it } from 'vitest';
import { parseQuery } from './parse.ts';
import { printQuery } from './print.ts';

describe('printing', () => {
  it.each([
    ['select * from c', 'SELECT *\nFROM c'],
    [
      `SELECT c.a, c["b c"] x, c['d'] FROM root c WHERE c.a=1`,
      'SELECT c.a, c["b c"] AS x, c["d"]\nFROM root AS c\nWHERE (c.a = 1)',
    ],
    [
      "SELECT VALUE c.x FROM c WHERE c.a IN (1,'2') AND NOT c.b OR c.d NOT IN (-3)",
      'SELECT VALUE c.x\nFROM c\nWHERE (((c.a IN (1, "2")) AND (NOT c.b)) OR (c.d NOT IN ((- 3))))',
    ],
    [
      "SELECT 1 FROM c WHERE c.a NOT BETWEEN 1 AND 2 AND NOT (c.b LIKE '%a!%' ESCAPE '!')",
      'SELECT 1\nFROM c\nWHERE ((c.a NOT BETWEEN 1 AND 2) AND (NOT (c.b LIKE "%a!%" ESCAPE "!")))',
    ],
    [
      'SELECT DISTINCT TOP 3 VALUE {a: 1, "b": [c.x, null, true, undefined]} FROM c JOIN t IN c.tags ORDER BY c.a ASC, c.b DESC',
      'SELECT DISTINCT TOP 3 VALUE {"a": 1, "b": [c.x, null, true, undefined]}\nFROM c\nJOIN t IN c.tags\nORDER BY c.a, c.b DESC',
    ],
    [
      'SELECT COUNT(1) AS n FROM c GROUP BY c.a, LOWER(c.b) OFFSET 1 LIMIT @n',
      'SELECT COUNT(1) AS n\nFROM c\nGROUP BY c.a, LOWER(c.b)\nOFFSET 1 LIMIT @n',
    ],
    [
      'SELECT VALUE c.a ? c.b ?? 1 : ~c.d FROM (SELECT VALUE d FROM d) c WHERE EXISTS(SELECT VALUE t FROM t IN c.t)',
      'SELECT VALUE (c.a ? (c.b ?? 1) : (~ c.d))\nFROM (SELECT VALUE d\nFROM d) AS c\nWHERE EXISTS(SELECT VALUE t\nFROM t IN c.t)',
    ],
  ])('%s', (text, printed) => {
    expect(printQuery(parseQuery(text))).toBe(printed);
    expect(printQuery(parseQuery(printed))).toBe(printed);
  });
});
