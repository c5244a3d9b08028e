import type { Expression, Query } from './ast.ts';

function pathOf(expression: Expression, root: string | undefined): readonly string[] | undefined {
  if (expression.kind === 'variable') return expression.name === root ? [] : undefined;
  if (expression.kind !== 'member') return undefined;
  const parent = pathOf(expression.object, root);
  return parent === undefined ? undefined : [...parent, expression.name];
}

/** Gives the property path that an expression reads from the document, also where FROM starts from a part of it. */
export function documentPath(expression: Expression, { from }: Query): readonly string[] | undefined {
  const [first] = from;
  if (first === undefined || first.iterate || first.source.kind === 'query') return undefined;
  const path = pathOf(expression, first.alias);
  const start = pathOf(first.source, firstName(first.source));
  return path === undefined || start === undefined ? undefined : [...start, ...path];
}

function firstName(source: Expression): string | undefined {
  if (source.kind === 'variable') return source.name;
  return source.kind === 'member' ? firstName(source.object) : undefined;
}
