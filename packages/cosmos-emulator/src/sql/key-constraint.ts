import { parsePath, type Value } from '../json.ts';
import type { PartitionKey, PartitionKeyComponent } from '../partition/partition-key.ts';
import type { Expression, Query } from './ast.ts';
import { type Constant, constantsOf, type Parameters } from './constant.ts';
import { documentPath } from './document-path.ts';

/** Gives, for given parameters, the keys that a filter allows: whole ones and prefixes. Undefined allows every key. */
export type KeyFinder = (parameters: Parameters) => readonly PartitionKey[] | undefined;

/** What one way to pass the filter asks of each level of the key: for each list, to be one of its constants. */
type Way = ReadonlyArray<ReadonlyArray<readonly Constant[]>>;

/** More ways or keys than this are not worth telling apart: the query goes everywhere. */
const maximum = 4096;

/** Reads from the filter which partition keys its results can have. */
export function keyFinder(query: Query, keyPaths: readonly string[]): KeyFinder {
  const paths = keyPaths.map((path) => parsePath(path).join('\n'));
  const everywhere: Way = paths.map(() => []);
  const { where } = query;
  if (where === undefined) return () => undefined;

  const level = (property: Expression, values: readonly Expression[]): Way | undefined => {
    const at = paths.indexOf(documentPath(property, query)?.join('\n') ?? '\n');
    const constants = at < 0 ? undefined : constantsOf(values);
    return constants === undefined ? undefined : everywhere.with(at, [constants]);
  };

  const waysOf = (filter: Expression): readonly Way[] => {
    if (filter.kind === 'literal' && filter.value !== true) return [];
    if (filter.kind === 'and') return both(waysOf(filter.left), waysOf(filter.right)) ?? [everywhere];
    if (filter.kind === 'or') return [...waysOf(filter.left), ...waysOf(filter.right)];
    if (filter.kind === 'in') return [level(filter.operand, filter.items) ?? everywhere];
    if (filter.kind !== 'binary' || filter.operator !== '=') return [everywhere];
    return [level(filter.left, [filter.right]) ?? level(filter.right, [filter.left]) ?? everywhere];
  };

  const ways = waysOf(where);
  return (parameters) => keysOf(ways, parameters);
}

function both(left: readonly Way[], right: readonly Way[]): Way[] | undefined {
  if (left.length * right.length > maximum) return undefined;
  return left.flatMap((one) =>
    right.map((other) => one.map((lists, at) => [...lists, ...(other[at] ?? [])])),
  );
}

function keysOf(ways: readonly Way[], parameters: Parameters): readonly PartitionKey[] | undefined {
  const keys: PartitionKey[] = [];
  for (const way of ways) {
    const found = keysOfWay(way, parameters);
    if (found === undefined || keys.length + found.length > maximum) return undefined;
    keys.push(...found);
  }
  return keys;
}

/** Every combination of what the levels allow, as far down as each level says something. */
function keysOfWay(way: Way, parameters: Parameters): readonly PartitionKey[] | undefined {
  let keys: PartitionKey[] = [[]];
  for (const lists of way) {
    const allowed = intersection(lists.map((list) => list.map((value) => value(parameters))));
    if (allowed === undefined) return keys[0]?.length === 0 ? undefined : keys;
    if (keys.length * allowed.length > maximum) return undefined;
    keys = keys.flatMap((key) => allowed.map((component) => [...key, component]));
  }
  return keys;
}

/** The components in every list; undefined where no list says anything. Nothing equals undefined. */
function intersection(lists: ReadonlyArray<readonly Value[]>): PartitionKeyComponent[] | undefined {
  const [first, ...others] = lists.filter((list) => list.every(isComponent));
  const components = first?.filter((value) => value !== undefined).filter(isComponent);
  return components?.filter((value) => others.every((list) => list.includes(value)));
}

/** Objects are no keys; but an empty one is stored as the absent key, so a list with objects says nothing. */
function isComponent(value: Value): value is PartitionKeyComponent {
  return value === null || typeof value !== 'object';
}
