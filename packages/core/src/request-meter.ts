/** What one request to a store took, as the store says itself. */
export interface RequestCost {
  /** Request units that were charged. */
  readonly requestUnits: number;
  /** How often the store put the request off because its units were used up, whether it was answered in the end or not. */
  readonly throttled: number;
}

/** Hears what requests took, each as it is answered. */
export type RequestMeter = (cost: RequestCost) => void;
