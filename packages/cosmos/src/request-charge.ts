/** What one kind of operation on one entity has cost so far. */
export interface RequestCharge {
  readonly entity: string;
  /** The operation as the adapter names it: `read`, `write`, `query`, `apply`, `scan`, `count`, `feed`, and others. */
  readonly operation: string;
  readonly requests: number;
  /** Request units, as the service charged them. */
  readonly requestUnits: number;
}

/** Adds up what requests cost, by entity and operation. */
export class RequestCharges {
  readonly #sums = new Map<
    string,
    { entity: string; operation: string; requests: number; requestUnits: number }
  >();

  /** Adds one request. Headers are the response's; a charge that is missing counts as nothing. */
  add(entity: string, operation: string, charge: unknown): void {
    const key = `${entity} ${operation}`;
    const sum = this.#sums.get(key) ?? { entity, operation, requests: 0, requestUnits: 0 };
    const units = Number(charge);
    sum.requests += 1;
    sum.requestUnits += Number.isFinite(units) ? units : 0;
    this.#sums.set(key, sum);
  }

  /** The sums as they are now. */
  snapshot(): readonly RequestCharge[] {
    return [...this.#sums.values()].map((sum) => ({ ...sum }));
  }
}
