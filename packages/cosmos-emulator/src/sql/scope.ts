import type { Json, Value } from '../json.ts';
import type { Geospatial } from '../storage/container-properties.ts';
import type { Aggregation } from './aggregate.ts';
import { type Spend, startAllowance } from './allowance.ts';
import type { Expression, Query } from './ast.ts';

/** The values of the FROM aliases in scope, by slot. */
export type Row = readonly Value[];

/** What one execution of a query knows. */
export interface Run {
  readonly parameters: ReadonlyMap<string, Value>;
  readonly now: number;
  /** How the container's points lie: on the Earth (`Geography`, also when absent) or on a plane. */
  readonly geospatial?: Geospatial | undefined;
  /** Results of the aggregates of the group at hand, by their number. */
  readonly aggregates: readonly Value[];
  readonly spend: Spend;
  /** Calls a user-defined function of the container. Throws status 400 when there is none of that name, or it fails. */
  readonly callUdf?: ((name: string, args: readonly Value[]) => Value) | undefined;
}

/** Starts an execution, with an allowance of its own. */
export function startRun(known: Pick<Run, 'parameters' | 'now' | 'geospatial' | 'callUdf'>): Run {
  return { ...known, aggregates: [], spend: startAllowance() };
}

/** A compiled expression. Undefined is a value: what has no value, and what cannot be computed. */
export type Evaluator = (row: Row, run: Run) => Value;

/** The names that an expression may use, and the aggregates that it turns out to hold. */
export interface Scope {
  readonly slots: ReadonlyMap<string, number>;
  /** Undefined where an aggregate has no place: in a filter, a source, or another aggregate. */
  readonly aggregations: Aggregation[] | undefined;
  /** The computed properties of documents, over a row that begins with the document. */
  readonly computed: ReadonlyMap<string, Evaluator>;
  /** Compiles an expression inside this one. */
  readonly compile: (expression: Expression, scope: Scope) => Evaluator;
  /** Compiles a query inside this one. */
  readonly compileQuery: (query: Query, scope: Scope) => Subquery;
}

/** A compiled query inside another: its results for one row of the other. */
export interface Subquery {
  execute(row: Row, run: Run): Json[];
}
