import { createHmac } from 'node:crypto';
import { mutateJson, mutateText, type Random } from './random.ts';

/** A request that is signed as it has to be, whatever is in it. */
export interface FuzzRequest {
  readonly method: string;
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string | undefined;
}

interface Template {
  readonly method: string;
  readonly path: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: unknown;
}

const key = { 'x-ms-documentdb-partitionkey': '["a"]' };
const asQuery = { 'content-type': 'application/query+json', 'x-ms-documentdb-isquery': 'True' };
const docs = '/dbs/db/colls/items/docs';
const container = { id: 'other', partitionKey: { paths: ['/pk'], kind: 'Hash', version: 2 } };
const index = {
  indexingMode: 'consistent',
  includedPaths: [{ path: '/*' }],
  compositeIndexes: [[{ path: '/a' }, { path: '/b' }]],
};
const batch = [
  { operationType: 'Create', id: 'b1', resourceBody: { id: 'b1', pk: 'a' } },
  { operationType: 'Patch', id: 'b1', resourceBody: { operations: [{ op: 'add', path: '/x', value: 1 }] } },
  { operationType: 'Delete', id: 'b1', ifMatch: '*' },
];

/** Requests as they are right. */
const templates: readonly Template[] = [
  { method: 'GET', path: '/' },
  { method: 'GET', path: '/dbs' },
  { method: 'POST', path: '/dbs', body: { id: 'other' } },
  { method: 'POST', path: '/dbs', headers: asQuery, body: { query: 'SELECT * FROM c' } },
  { method: 'DELETE', path: '/dbs/other' },
  { method: 'GET', path: '/dbs/db/colls' },
  { method: 'POST', path: '/dbs/db/colls', body: container },
  { method: 'POST', path: '/dbs/db/colls', headers: { 'x-ms-offer-throughput': '400' }, body: container },
  {
    method: 'PUT',
    path: '/dbs/db/colls/other',
    body: { ...container, indexingPolicy: index, defaultTtl: 5 },
  },
  { method: 'DELETE', path: '/dbs/db/colls/other' },
  { method: 'GET', path: '/dbs/db/colls/items/pkranges' },
  {
    method: 'POST',
    path: docs,
    headers: key,
    body: { id: '1', pk: 'a', n: 1, list: [1, { a: 2 }], ttl: 100 },
  },
  {
    method: 'POST',
    path: docs,
    headers: { ...key, 'x-ms-documentdb-is-upsert': 'true' },
    body: { id: '1', pk: 'a' },
  },
  { method: 'GET', path: docs, headers: { 'x-ms-max-item-count': '2' } },
  { method: 'GET', path: `${docs}/1`, headers: { ...key, 'if-none-match': '"x"' } },
  {
    method: 'PUT',
    path: `${docs}/1`,
    headers: { ...key, 'if-match': '*' },
    body: { id: '1', pk: 'a', n: 2 },
  },
  {
    method: 'PATCH',
    path: `${docs}/1`,
    headers: key,
    body: { condition: 'FROM c WHERE c.n > 0', operations: [{ op: 'incr', path: '/n', value: 1 }] },
  },
  { method: 'DELETE', path: `${docs}/1`, headers: key },
  {
    method: 'GET',
    path: docs,
    headers: { 'a-im': 'Incremental Feed', 'x-ms-documentdb-partitionkeyrangeid': '0' },
  },
  {
    method: 'GET',
    path: docs,
    headers: {
      'a-im': 'Full-Fidelity Feed',
      'x-ms-documentdb-partitionkeyrangeid': '0',
      'if-none-match': '"3"',
    },
  },
  {
    method: 'POST',
    path: docs,
    headers: { ...key, 'x-ms-cosmos-is-batch-request': 'true', 'x-ms-cosmos-batch-atomic': 'true' },
    body: batch,
  },
  {
    method: 'POST',
    path: docs,
    headers: { 'x-ms-cosmos-is-batch-request': 'true', 'x-ms-documentdb-partitionkeyrangeid': '0' },
    body: batch.map((operation) => ({ ...operation, partitionKey: '["a"]' })),
  },
  {
    method: 'POST',
    path: '/dbs/db/colls/items/sprocs',
    body: { id: 's', body: 'function () { getContext().getResponse().setBody(1); }' },
  },
  { method: 'POST', path: '/dbs/db/colls/items/sprocs/s', headers: key, body: [1, 'x'] },
  { method: 'POST', path: '/dbs/db/colls/items/udfs', body: { id: 'u', body: 'function (x) { return x; }' } },
  {
    method: 'POST',
    path: '/dbs/db/colls/items/triggers',
    body: { id: 't', body: 'function () {}', triggerType: 'Pre', triggerOperation: 'All' },
  },
  { method: 'POST', path: '/dbs/db/users', body: { id: 'u' } },
  {
    method: 'POST',
    path: '/dbs/db/users/u/permissions',
    body: { id: 'p', permissionMode: 'Read', resource: 'dbs/db/colls/items' },
  },
  { method: 'GET', path: '/offers' },
  {
    method: 'POST',
    path: '/offers',
    headers: asQuery,
    body: { query: 'SELECT * FROM root WHERE root.resource = "x"' },
  },
  { method: 'GET', path: '/dbs/db/colls/items/conflicts' },
];

const queries = [
  'SELECT * FROM c WHERE c.pk = "a" AND c.n BETWEEN 1 AND @p ORDER BY c.n DESC',
  'SELECT TOP 5 c.id, c.n AS x, {"a": [1, c.list]} o FROM c JOIN l IN c.list WHERE l.a > 1 OR NOT IS_DEFINED(l)',
  'SELECT VALUE COUNT(1) FROM c GROUP BY c.pk, LOWER(c.id)',
  'SELECT DISTINCT VALUE c.pk FROM c OFFSET 1 LIMIT 2',
  'SELECT c.pk, SUM(c.n) s, AVG(c.n), MIN(c.id), MAX(c.id) FROM c WHERE c.id LIKE "%1_[a-z]" ESCAPE "!" GROUP BY c.pk',
  'SELECT VALUE ARRAY(SELECT VALUE x FROM x IN c.list) FROM c WHERE EXISTS(SELECT 1 FROM y IN c.list WHERE y = 1)',
  "SELECT c['n'] ?? 0 AS n, c.n > 1 ? 'x' : \"y\" FROM c WHERE c.n IN (1, 2, -3.5e2) AND c.id != null",
  'SELECT udf.u(c.n), REGEXMATCH(c.id, "^(a+)+$"), REPLICATE("x", 100), SUBSTRING(c.id, 0, 1) FROM c',
  'SELECT VALUE ST_DISTANCE(c.p, {"type": "Point", "coordinates": [1, 2]}) FROM c',
  'SELECT DateTimeAdd("yyyy", 1, GetCurrentDateTime()), ARRAY_CONCAT(c.list, [1]), ROUND(c.n / 3) % 2 & 1 | 2 ^ 3 FROM c',
  'SELECT * FROM c ORDER BY c.a ASC, c.b DESC',
];

const words = [
  'SELECT',
  'FROM',
  'WHERE',
  'GROUP BY',
  'ORDER BY',
  'VALUE',
  'DISTINCT',
  'TOP',
  'JOIN',
  'IN',
  '(',
  ')',
  '[',
  ']',
  '{',
  '}',
  ',',
  '.',
  '*',
  '-',
  '@p',
  'c',
  'c.n',
  'NOT',
  'AND',
  '??',
  '?',
  ':',
  '"x"',
  "'",
  '1e999',
  '0x1F',
  'EXISTS(',
  'ARRAY(',
  'LIKE',
  'ESCAPE',
  'undefined',
  'null',
  'COUNT(1)',
  'udf.u(',
  '/*',
  '--',
];

const headerValues = [
  '',
  'true',
  'True',
  '-1',
  '0',
  '1',
  '1e9',
  'NaN',
  '[]',
  '["a"]',
  '["a","b"]',
  '[{}]',
  '[null]',
  '{}',
  '{"start":1}',
  '*',
  '"1"',
  '0',
  '0,1',
  '0:-1#5',
  '05C1',
  'FF',
  'gAAAAQ==',
  'Eventual',
  'Strong',
  'Thu, 01 Jan 1970 00:00:00 GMT',
  'not a date',
  '[[[[',
  '"',
  'application/query+json',
  'Incremental Feed',
];
const headerNames = [
  'x-ms-documentdb-partitionkey',
  'x-ms-documentdb-partitionkeyrangeid',
  'x-ms-max-item-count',
  'x-ms-continuation',
  'if-match',
  'if-none-match',
  'if-modified-since',
  'a-im',
  'content-type',
  'prefer',
  'x-ms-documentdb-isquery',
  'x-ms-documentdb-is-upsert',
  'x-ms-documentdb-query-enablecrosspartition',
  'x-ms-documentdb-query-enable-scan',
  'x-ms-documentdb-populatequerymetrics',
  'x-ms-cosmos-populateindexmetrics',
  'x-ms-cosmos-is-query-plan-request',
  'x-ms-cosmos-supported-query-features',
  'x-ms-cosmos-query-version',
  'x-ms-cosmos-is-batch-request',
  'x-ms-cosmos-batch-atomic',
  'x-ms-cosmos-batch-continue-on-error',
  'x-ms-cosmos-intended-collection-rid',
  'x-ms-cosmos-changefeed-wire-format-version',
  'x-ms-start-epk',
  'x-ms-end-epk',
  'x-ms-session-token',
  'x-ms-consistency-level',
  'x-ms-documentdb-pre-trigger-include',
  'x-ms-documentdb-post-trigger-include',
  'x-ms-offer-throughput',
  'x-ms-cosmos-offer-autopilot-settings',
  'x-ms-indexing-directive',
  'x-ms-documentdb-expiry-seconds',
  'x-ms-version',
];

/** Makes requests, nearly right and not at all, each signed. */
export function requestMaker(random: Random, accountKey: string): () => FuzzRequest {
  return () => {
    const template = random.chance(0.4) ? queryTemplate(random) : random.pick(templates);
    const path = random.chance(0.15) ? mutatedPath(template.path, random) : template.path;
    const method = random.chance(0.05)
      ? random.pick(['GET', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'])
      : template.method;
    const headers: Record<string, string> = { ...template.headers };
    for (let left = random.below(3); left > 0; left--) {
      headers[random.pick(headerNames)] = random.chance(0.8)
        ? random.pick(headerValues)
        : printable(random.text(10));
    }
    const body = method === 'GET' ? undefined : bodyOf(template, random);
    return { method, path, headers: { ...headers, ...signature(method, path, accountKey) }, body };
  };
}

function queryTemplate(random: Random): Template {
  const flags = [
    asQuery,
    {
      ...asQuery,
      'x-ms-cosmos-is-query-plan-request': 'True',
      'x-ms-cosmos-supported-query-features': 'Aggregate',
    },
  ];
  const headers = { ...random.pick(flags), 'x-ms-documentdb-query-enablecrosspartition': 'true' };
  const parameters = [{ name: '@p', value: random.json(2) }];
  return { method: 'POST', path: docs, headers, body: { query: mutatedQuery(random), parameters } };
}

function mutatedQuery(random: Random): string {
  const query = random.pick(queries);
  const kind = random.below(6);
  if (kind === 0) return mutateText(query, random);
  if (kind === 1) return Array.from({ length: 1 + random.below(12) }, () => random.pick(words)).join(' ');
  if (kind === 2)
    return `SELECT ${random.pick(['(', '[', 'NOT ', '-', '{"a":', 'ABS(', '1+', '(SELECT VALUE '])}`.replace(
      / (.*)/,
      (_, part: string) => ` ${part.repeat(1 + random.below(3000))}`,
    );
  const tokens = query.split(/\b/);
  for (let left = 1 + random.below(4); left > 0; left--) {
    const at = random.below(tokens.length);
    tokens.splice(at, random.below(3), ...(random.chance(0.6) ? [` ${random.pick(words)} `] : []));
  }
  return tokens.join('');
}

function mutatedPath(path: string, random: Random): string {
  const parts = path.split('/');
  const part = random.pick([
    '',
    '%',
    '%2e%2e',
    '%00',
    '..',
    'a%2fb',
    '%F0%9F%98%80',
    '%ff',
    'x'.repeat(2000),
    'docs',
    'colls',
    'pkranges',
    'sprocs',
    'attachments',
    '__proto__',
    'gAAAAQ==',
  ]);
  parts.splice(1 + random.below(parts.length), random.below(2), part);
  return parts.join('/');
}

function bodyOf({ body }: Template, random: Random): string | undefined {
  if (random.chance(0.03)) return random.text(random.below(200));
  if (body === undefined) return random.chance(0.1) ? JSON.stringify(random.json(3)) : undefined;
  const value = random.chance(0.6) ? mutateJson(body, random) : body;
  const text = JSON.stringify(value) ?? '';
  return random.chance(0.1) ? mutateText(text, random) : text;
}

function printable(text: string): string {
  return text.replace(/[^ -~]/g, '~').trim();
}

function signature(method: string, path: string, accountKey: string): Record<string, string> {
  const segments = path.split('/').filter((segment) => segment !== '');
  const single = segments.length % 2 === 0;
  const type = segments[segments.length - (single ? 2 : 1)] ?? '';
  const link = (single ? segments : segments.slice(0, -1)).join('/');
  const date = new Date().toUTCString();
  const payload = `${method.toLowerCase()}\n${type}\n${link}\n${date.toLowerCase()}\n\n`;
  const hash = createHmac('sha256', Buffer.from(accountKey, 'base64')).update(payload).digest('base64');
  return { authorization: encodeURIComponent(`type=master&ver=1.0&sig=${hash}`), 'x-ms-date': date };
}
