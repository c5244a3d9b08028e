import { canonical, isObject, type Json, type JsonObject, shown } from '../json.ts';
import { badRequest } from '../service-error.ts';

const dataTypes: ReadonlySet<unknown> = new Set(['float16', 'float32', 'uint8', 'int8']);
const distances: ReadonlySet<unknown> = new Set(['euclidean', 'cosine', 'dotproduct']);
const mostDimensions = 4096;
/** A flat index holds whole vectors; the other kinds compress them. */
const mostFlatDimensions = 505;

/** Checks what describes vectors, and that each of their indexes is on a path that holds them. Throws status 400. */
export function requireVectors({ vectorEmbeddingPolicy, indexingPolicy }: JsonObject): void {
  const dimensions = new Map<unknown, number>();
  for (const entry of entries(vectorEmbeddingPolicy, 'vectorEmbeddingPolicy', 'vectorEmbeddings')) {
    dimensions.set(entry.path, dimensionsOf(entry));
  }
  for (const { path, type } of indexesOf(indexingPolicy, 'vectorIndexes')) {
    const size = dimensions.get(path);
    if (size === undefined) {
      throw badRequest(`The Vector Indexing Policy's path::${shown(path)} not matching in Embedding's path.`);
    }
    if (type === 'flat' && size > mostFlatDimensions) {
      throw badRequest(
        `The Vector Indexing Policy's flat index on path::${shown(path)} supports at most ${mostFlatDimensions} dimensions, not ${size}.`,
      );
    }
  }
}

function dimensionsOf({ path, dataType, dimensions, distanceFunction }: JsonObject): number {
  const isSized = typeof dimensions === 'number' && Number.isInteger(dimensions) && dimensions >= 1;
  const isKnown = dataTypes.has(dataType) && distances.has(distanceFunction);
  if (isPath(path) && isSized && dimensions <= mostDimensions && isKnown) return dimensions;
  throw invalid('vectorEmbeddingPolicy');
}

const languages: ReadonlySet<string> = new Set([
  'en-us',
  'de-de',
  'es-es',
  'fr-fr',
  'it-it',
  'pt-br',
  'pt-pt',
]);

/** Checks what describes texts, and that each of their indexes is on a path that holds them. Throws status 400. */
export function requireTexts({ fullTextPolicy, indexingPolicy }: JsonObject): void {
  const paths = new Set<unknown>();
  if (isObject(fullTextPolicy)) requireLanguage(fullTextPolicy.defaultLanguage);
  for (const { path, language } of entries(fullTextPolicy, 'fullTextPolicy', 'fullTextPaths')) {
    if (!isPath(path)) throw invalid('fullTextPolicy');
    requireLanguage(language);
    paths.add(path);
  }
  for (const { path } of indexesOf(indexingPolicy, 'fullTextIndexes')) {
    if (paths.has(path)) continue;
    throw badRequest(
      `The path of the Full Text Index ${shown(path)} does not match the path specified in the Full Text Policy`,
    );
  }
}

function requireLanguage(value: Json | undefined): void {
  if (value === undefined || value === null) return;
  if (typeof value === 'string' && languages.has(value.toLowerCase())) return;
  throw badRequest(
    `The Full Text Policy contains an unsupported language ${shown(value)}. Supported languages are: ${[...languages].join(', ')}`,
  );
}

/** Demands that a replacement keeps the vectors, and their indexes, that the container was made with. Throws status 400. */
export function requireSameVectors(old: JsonObject, replacement: JsonObject): void {
  const indexes = ({ indexingPolicy }: JsonObject): string =>
    canonical([...indexesOf(indexingPolicy, 'vectorIndexes')]);
  if (indexes(old) !== indexes(replacement)) {
    throw badRequest('The Vector Indexing Policy cannot be changed in Collection Replace.');
  }
  const embeddings = ({ vectorEmbeddingPolicy: policy }: JsonObject): string =>
    canonical(entries(policy, 'vectorEmbeddingPolicy', 'vectorEmbeddings'));
  if (embeddings(old) !== embeddings(replacement)) {
    throw badRequest('The Vector Embedding Policy cannot be changed in Collection Replace.');
  }
}

function entries(policy: Json | undefined, name: string, list: string): JsonObject[] {
  if (policy === undefined || policy === null) return [];
  const found = isObject(policy) ? (policy[list] ?? []) : undefined;
  if (Array.isArray(found) && found.every(isObject)) return found;
  throw invalid(name);
}

/** Their own shape is checked with the indexing policy. */
function indexesOf(policy: Json | undefined, name: string): JsonObject[] {
  const found = isObject(policy) ? policy[name] : undefined;
  return Array.isArray(found) ? found.filter(isObject) : [];
}

function isPath(value: Json | undefined): value is string {
  return typeof value === 'string' && value.startsWith('/') && value.length > 1;
}

function invalid(name: string): Error {
  return badRequest(`The input content is invalid because the property '${name}' is not valid.`);
}
