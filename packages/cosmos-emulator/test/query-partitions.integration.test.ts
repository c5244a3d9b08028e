import type { Container, FeedOptions } from '@azure/cosmos';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { setUp } from './cosmos-setup.ts';

const composite = [
  [
    { path: '/a', order: 'ascending' as const },
    { path: '/b', order: 'descending' as const },
  ],
];

/** What a document may hold; `n` may be absent, the others never are. */
interface Row {
  readonly pk: string;
  readonly a: number;
  readonly b: number;
  readonly s: string;
  readonly n?: number;
  readonly tags: readonly string[];
}

const small = fc.integer({ min: -2, max: 4 });
const word = fc.constantFrom('x', 'y', 'zz', 'ü');
const row: fc.Arbitrary<Row> = fc.record(
  {
    // Most in one partition, so that what it cuts off shows.
    pk: fc.constantFrom('k0', 'k0', 'k0', 'k0', 'k0', 'k1', 'k2', 'k3', 'k4', 'k5'),
    a: small,
    b: small,
    s: word,
    n: small,
    tags: fc.array(word, { maxLength: 3 }),
  },
  { requiredKeys: ['pk', 'a', 'b', 's', 'tags'] },
);

const condition = fc.oneof(
  fc
    .tuple(fc.constantFrom('c.a', 'c.b', 'c.n'), fc.constantFrom('=', '<', '>=', '!='), small)
    .map((parts) => parts.join(' ')),
  fc.constantFrom(
    "c.pk = 'k1'",
    "c.pk IN ('k0', 'k3', 'k5')",
    "(c.pk = 'k2' OR c.pk = 'k4')",
    'IS_DEFINED(c.n)',
    "ARRAY_CONTAINS(c.tags, 'x')",
  ),
);
// Where a filter contradicts itself about the key, a plan has no ranges, and the SDK then asks no partition at all.
const filter = fc
  .array(condition, { maxLength: 2 })
  .filter((conditions) => conditions.filter((text) => text.includes('c.pk')).length < 2)
  .chain((conditions) => fc.constantFrom(' AND ', ' OR ').map((glue) => conditions.join(glue)))
  .map((text) => (text === '' ? '' : ` WHERE ${text}`));
const aggregate = fc
  .tuple(fc.constantFrom('COUNT', 'SUM', 'AVG', 'MIN', 'MAX'), fc.constantFrom('c.a', 'c.n'))
  .map(([name, field]) => `${name}(${field})`);
const cut = fc.oneof(
  fc.constant(''),
  fc.tuple(fc.nat(5), fc.nat(6)).map(([offset, limit]) => ` OFFSET ${offset} LIMIT ${limit}`),
);

/** Queries whose results come in one order only: what they are ordered by is all that they give. */
const ordered = fc.oneof(
  fc
    .tuple(fc.constantFrom('c.a', 'c.s', 'c.n'), fc.constantFrom('', ' DESC'), filter, cut)
    .map(([field, way, where, end]) => `SELECT VALUE ${field} FROM c${where} ORDER BY ${field}${way}${end}`),
  fc
    .tuple(fc.nat(4), filter)
    .map(([top, where]) => `SELECT TOP ${top} c.a, c.b FROM c${where} ORDER BY c.a, c.b DESC`),
  filter.map((where) => `SELECT DISTINCT VALUE c.s FROM c${where} ORDER BY c.s`),
  fc.tuple(filter, cut).map(([where, end]) => `SELECT DISTINCT c.a FROM c${where} ORDER BY c.a${end}`),
);

/** Queries whose results come in any order. */
const unordered = fc.oneof(
  filter.map((where) => `SELECT c.id, c.n, UPPER(c.s) AS s FROM c${where}`),
  filter.map((where) => `SELECT VALUE {id: c.id, t: t} FROM c JOIN t IN c.tags${where}`),
  filter.map((where) => `SELECT DISTINCT c.a, c.n FROM c${where}`),
  fc.tuple(aggregate, filter).map(([what, where]) => `SELECT VALUE ${what} FROM c${where}`),
  fc
    .tuple(aggregate, aggregate, filter)
    .map(([one, two, where]) => `SELECT ${one} AS one, ${two} FROM c${where}`),
  fc
    .tuple(aggregate, fc.constantFrom('c.a', 'c.s', 'c.n'), filter)
    .map(([what, key, where]) => `SELECT ${key} AS k, ${what} AS v, COUNT(1) FROM c${where} GROUP BY ${key}`),
  fc
    .tuple(aggregate, filter)
    .map(([what, where]) => `SELECT VALUE ${what} FROM c${where} GROUP BY c.s, c.tags`),
  filter.map((where) => `SELECT DISTINCT VALUE c.s FROM c${where} GROUP BY c.s, c.a`),
);

async function containerOf(rows: readonly Row[], partitions: number): Promise<Container> {
  const { container } = await setUp({ indexingPolicy: { compositeIndexes: composite } }, { partitions });
  await Promise.all(rows.map((value, at) => container.items.create({ id: `i${at}`, ...value })));
  return container;
}

/** The results as text: in their order where the query gives one. */
async function answers(container: Container, query: string, options: FeedOptions = {}): Promise<string[]> {
  const { resources } = await container.items.query<unknown>(query, options).fetchAll();
  const texts = resources.map((resource) => JSON.stringify(resource));
  return query.includes('ORDER BY') ? texts : texts.toSorted();
}

/** The same, where each page comes from an iterator of its own. */
async function resumed(container: Container, query: string, maxItemCount: number): Promise<string[]> {
  const texts: string[] = [];
  let pages = 0;
  let continuationToken: string | undefined;
  do {
    const options: FeedOptions = { maxItemCount, enableQueryControl: true, forceQueryPlan: true };
    if (continuationToken !== undefined) options.continuationToken = continuationToken;
    const page = await container.items.query<unknown>(query, options).fetchNext();
    texts.push(...(page.resources ?? []).map((resource) => JSON.stringify(resource)));
    ({ continuationToken } = page);
    if (++pages > 200) throw new Error(`It does not end: ${query} ${continuationToken}`);
  } while (continuationToken);
  return query.includes('ORDER BY') ? texts : texts.toSorted();
}

describe('queries over several physical partitions', () => {
  it('give what one partition gives, whatever the query, the documents and the page size', async () => {
    const queries = fc.array(fc.oneof(ordered, unordered), { minLength: 6, maxLength: 6 });
    await fc.assert(
      fc.asyncProperty(
        fc.array(row, { maxLength: 24 }),
        queries,
        fc.constantFrom(1, 3, 100),
        async (rows, texts, maxItemCount) => {
          const one = await containerOf(rows, 1);
          const four = await containerOf(rows, 4);
          for (const text of texts) {
            const expected = await answers(one, text);
            for (const options of [{ maxItemCount }, { maxItemCount, forceQueryPlan: true }]) {
              const found = await answers(four, text, options);
              expect({ text, found }).toEqual({ text, found: expected });
            }
          }
        },
      ),
      { numRuns: 60 },
    );
  });

  it('go on from the token of any page', async () => {
    // The SDK itself loses results when it resumes an order by two fields or an offset; with DISTINCT and TOP its tokens
    // need not end.
    const resumable = fc.oneof(
      fc
        .tuple(fc.constantFrom('c.a', 'c.s', 'c.n'), fc.constantFrom('', ' DESC'), filter)
        .map(([field, way, where]) => `SELECT VALUE ${field} FROM c${where} ORDER BY ${field}${way}`),
      filter.map((where) => `SELECT c.id, c.n FROM c${where}`),
      filter.map((where) => `SELECT VALUE {id: c.id, t: t} FROM c JOIN t IN c.tags${where}`),
    );
    await fc.assert(
      fc.asyncProperty(
        fc.array(row, { maxLength: 16 }),
        fc.array(resumable, { minLength: 3, maxLength: 3 }),
        fc.integer({ min: 2, max: 5 }),
        async (rows, texts, maxItemCount) => {
          const container = await containerOf(rows, 4);
          for (const text of texts) {
            const expected = await answers(container, text);
            expect({ text, found: await resumed(container, text, maxItemCount) }).toEqual({
              text,
              found: expected,
            });
          }
        },
      ),
      { numRuns: 15, endOnFailure: true },
    );
  });

  it.each(['', ' DESC'])('go on among many that ORDER BY c.a%s finds equal', async (way) => {
    const { container } = await setUp({}, { partitions: 2 });
    const ids = Array.from({ length: 600 }, (_, at) => `i${at}`);
    await Promise.all(ids.map((id, at) => container.items.create({ id, pk: `k${at % 7}`, a: 1 })));
    const found = await resumed(container, `SELECT VALUE c.id FROM c ORDER BY c.a${way}`, 70);
    expect(found).toHaveLength(600);
    expect(new Set(found).size).toBe(600);
  });
});
