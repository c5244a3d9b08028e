import type { RequestCost } from '@polyphase/core';

/** What one kind of operation on one entity has cost so far. */
export interface RequestCharge {
  readonly entity: string;
  /** The operation as the adapter names it: `read`, `write`, `query`, `apply`, `scan`, `count`, `feed`, and others. */
  readonly operation: string;
  readonly requests: number;
  /** Request units, as the service charged them. */
  readonly requestUnits: number;
}

/** The driver's own header: how often it tried again after the service had asked for less load. */
export const THROTTLES = 'x-ms-throttle-retry-count';

/** What a request took, by the headers of its answer: the service's, and the driver's about its own repetitions. */
export function requestCost(headers: Readonly<Record<string, unknown>> | undefined): RequestCost {
  return {
    requestUnits: numberOf(headers?.['x-ms-request-charge']),
    throttled: numberOf(headers?.[THROTTLES]),
  };
}

function numberOf(header: unknown): number {
  const number = Number(header);
  return Number.isFinite(number) ? number : 0;
}

/** Adds up what requests cost, by entity and operation. */
export class RequestCharges {
  readonly #sums = new Map<
    string,
    { entity: string; operation: string; requests: number; requestUnits: number }
  >();

  /** Adds one request. */
  add(entity: string, operation: string, { requestUnits }: RequestCost): void {
    const key = `${entity} ${operation}`;
    const sum = this.#sums.get(key) ?? { entity, operation, requests: 0, requestUnits: 0 };
    sum.requests += 1;
    sum.requestUnits += requestUnits;
    this.#sums.set(key, sum);
  }

  /** The sums as they are now. */
  snapshot(): readonly RequestCharge[] {
    return [...this.#sums.values()].map((sum) => ({ ...sum }));
  }
}
