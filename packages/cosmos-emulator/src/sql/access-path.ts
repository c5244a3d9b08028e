import { parsePath, type Value } from '../json.ts';
import type { PartitionKey, PartitionKeyComponent } from '../partition/partition-key.ts';
import type { Expression, Query } from './ast.ts';

/** Where a query needs to look; an absent part means "everywhere". */
export interface AccessPath {
  readonly ids: readonly string[] | undefined;
  readonly key: PartitionKey | undefined;
}

/** Finds, for given parameters, which ids and which partition key the filter asks for. */
export type AccessPathFinder = (parameters: ReadonlyMap<string, Value>) => AccessPath;

type Constant = (parameters: ReadonlyMap<string, Value>) => Value;

/** A condition that every result must meet: the property is one of these values. */
interface Membership {
  readonly path: readonly string[];
  readonly values: readonly Constant[];
}

/** Gives the property path that an expression reads from the document, or undefined when it is something else. */
export function pathOf(expression: Expression, root: string | undefined): readonly string[] | undefined {
  if (expression.kind === 'variable') return expression.name === root ? [] : undefined;
  if (expression.kind !== 'member') return undefined;
  const parent = pathOf(expression.object, root);
  return parent === undefined ? undefined : [...parent, expression.name];
}

/** The name that a query gives to the whole document; undefined when it starts from a part of it. */
export function rootOf(query: Query): string | undefined {
  const [first] = query.from;
  return first !== undefined && first.source.kind === 'variable' && !first.iterate ? first.alias : undefined;
}

/** Reads the equalities of a filter once, so that each run looks only where results can be. */
export function accessPathFinder(query: Query, keyPaths: readonly string[]): AccessPathFinder {
  const memberships = query.where === undefined ? [] : membershipsOf(query.where, rootOf(query));
  const onId = memberships.find(({ path }) => samePath(path, ['id']));
  const onKey = keyPaths.map((text) =>
    memberships.find(({ path, values }) => values.length === 1 && samePath(path, parsePath(text))),
  );
  return (parameters) => ({
    ids: onId?.values.map((value) => value(parameters)).filter((id) => typeof id === 'string'),
    key: keyOf(onKey, parameters),
  });
}

function keyOf(
  memberships: ReadonlyArray<Membership | undefined>,
  parameters: ReadonlyMap<string, Value>,
): PartitionKey | undefined {
  const key: PartitionKeyComponent[] = [];
  for (const membership of memberships) {
    const value = membership?.values[0]?.(parameters);
    if (value === undefined || (typeof value === 'object' && value !== null)) return undefined;
    key.push(value);
  }
  return key;
}

function membershipsOf(filter: Expression, root: string | undefined): Membership[] {
  if (filter.kind === 'and')
    return [...membershipsOf(filter.left, root), ...membershipsOf(filter.right, root)];
  if (filter.kind === 'binary' && filter.operator === '=') {
    const sides = [
      [filter.left, filter.right],
      [filter.right, filter.left],
    ] as const;
    return sides.flatMap(([property, value]) => onPath(pathOf(property, root), [value]));
  }
  return filter.kind === 'in' ? onPath(pathOf(filter.operand, root), filter.items) : [];
}

function onPath(path: readonly string[] | undefined, items: readonly Expression[]): Membership[] {
  const values = items.map(constantOf);
  return path === undefined || !values.every((value) => value !== undefined) ? [] : [{ path, values }];
}

function constantOf(expression: Expression): Constant | undefined {
  if (expression.kind === 'literal') return () => expression.value;
  if (expression.kind === 'parameter') return (parameters) => parameters.get(expression.name);
  return undefined;
}

function samePath(left: readonly string[], right: readonly string[]): boolean {
  return left.length === right.length && left.every((name, at) => name === right[at]);
}
