import { canonical } from '../json.ts';
import type { Expression } from './ast.ts';
import { childrenOf } from './visit.ts';

/** Numbers expressions so that those which mean the same have the same number, however they were written. */
export class Identities {
  readonly #numbers = new Map<string, number>();
  readonly #known = new Map<Expression, number>();

  /** Gives the number of an expression; one that holds a query is like no other. */
  of(expression: Expression): number {
    const known = this.#known.get(expression);
    if (known !== undefined) return known;
    const key = 'query' in expression ? `query ${this.#known.size}` : this.#key(expression);
    const number = this.#numbers.get(key) ?? this.#numbers.size;
    this.#numbers.set(key, number);
    this.#known.set(expression, number);
    return number;
  }

  #key(expression: Expression): string {
    const { kind } = expression;
    const parts = childrenOf(expression).map((part) => this.of(part));
    const names = kind === 'object' ? expression.properties.map(([name]) => name) : [];
    const own = [
      'name' in expression ? expression.name : '',
      'operator' in expression ? expression.operator : '',
      kind === 'literal' ? canonical(expression.value) : '',
      kind === 'like' ? `${expression.escape}` : '',
    ];
    return JSON.stringify([kind, own, names, parts]);
  }
}
