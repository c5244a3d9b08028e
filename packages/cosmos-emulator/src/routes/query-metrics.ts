import type { ServiceRequest } from '../http-message.ts';
import { type IndexMetrics, indexMetrics } from '../sql/index-metrics.ts';
import type { Page } from '../sql/paging.ts';
import { indexingPolicyOf, type PreparedQuery } from '../sql/query-engine.ts';
import type { ContainerProperties } from '../storage/container-properties.ts';
import { isTrue } from './route-context.ts';

/** Milliseconds that the parts of a query took. */
export interface QueryTimes {
  readonly compile: number;
  readonly execute: number;
}

/** Writes the header with what a query did: measured times, counts and sizes; what is not measured apart reads 0. */
export function queryMetrics(page: Page, { compile, execute }: QueryTimes): string {
  const { count, bytes } = page.examined;
  const returned = page.texts.length;
  const outputBytes = page.texts.reduce((sum, text) => sum + text.length, 0);
  const entries: ReadonlyArray<readonly [string, string]> = [
    ['totalExecutionTimeInMs', milliseconds(compile + execute)],
    ['queryCompileTimeInMs', milliseconds(compile)],
    ['queryLogicalPlanBuildTimeInMs', '0.00'],
    ['queryPhysicalPlanBuildTimeInMs', '0.00'],
    ['queryOptimizationTimeInMs', '0.00'],
    ['VMExecutionTimeInMs', milliseconds(execute)],
    ['indexLookupTimeInMs', '0.00'],
    ['instructionCount', '0'],
    ['documentLoadTimeInMs', '0.00'],
    ['systemFunctionExecuteTimeInMs', '0.00'],
    ['userFunctionExecuteTimeInMs', '0.00'],
    ['retrievedDocumentCount', String(count)],
    ['retrievedDocumentSize', String(bytes)],
    ['outputDocumentCount', String(returned)],
    ['outputDocumentSize', String(outputBytes)],
    ['writeOutputTimeInMs', '0.00'],
    ['indexUtilizationRatio', (count === 0 ? 0 : Math.min(1, returned / count)).toFixed(2)],
  ];
  return entries.map(([name, value]) => `${name}=${value}`).join(';');
}

/** Gives the header with the indexes that a query uses and could use, where the client asked for it. */
export function indexUtilization(
  headers: ServiceRequest['headers'],
  { query }: PreparedQuery,
  properties: ContainerProperties,
): Readonly<Record<string, string>> {
  const name = 'x-ms-cosmos-index-utilization';
  const metrics = () => indexMetrics(query, indexingPolicyOf(properties));
  // Newer clients ask for another shape, in another encoding.
  if (isTrue(headers['x-ms-cosmos-populateindexmetrics-v2']))
    return { [name]: encodeURIComponent(JSON.stringify(metrics())) };
  if (isTrue(headers['x-ms-cosmos-populateindexmetrics']))
    return { [name]: Buffer.from(JSON.stringify(firstVersion(metrics()))).toString('base64') };
  return {};
}

function firstVersion({ UtilizedIndexes, PotentialIndexes }: IndexMetrics): object {
  const rated = (index: object) => ({ IndexPreciseSet: true, IndexImpactScore: 'High', ...index });
  const single = (index: object) => ({ FilterExpression: '', FilterPreciseSet: true, ...rated(index) });
  return {
    UtilizedSingleIndexes: UtilizedIndexes.SingleIndexes.map(single),
    PotentialSingleIndexes: PotentialIndexes.SingleIndexes.map(single),
    UtilizedCompositeIndexes: UtilizedIndexes.CompositeIndexes.map(rated),
    PotentialCompositeIndexes: PotentialIndexes.CompositeIndexes.map(rated),
  };
}

function milliseconds(time: number): string {
  return time.toFixed(2);
}
