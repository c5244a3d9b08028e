/**
 * Request units, approximated: the service publishes about 1 RU for a point read of 1 KB and 5 for a write; the rest
 * follows the size of the item in KB, and for queries what was looked at and what was given back.
 */
export const requestCharge = {
  read: (bytes: number): number => rounded(Math.max(1, kilobytes(bytes))),
  create: (bytes: number): number => rounded(4.76 + 0.48 * kilobytes(bytes)),
  replace: (bytes: number): number => rounded(9.52 + 0.96 * kilobytes(bytes)),
  delete: (bytes: number): number => rounded(4.76 + 0.48 * kilobytes(bytes)),
  query: (examined: number, returned: number): number => rounded(2.3 + examined * 0.01 + returned * 0.02),
  changeFeed: (returned: number): number => rounded(1 + returned * 0.1),
  metadata: 1,
  failure: 1.24,
} as const;

function kilobytes(bytes: number): number {
  return bytes / 1024;
}

function rounded(units: number): number {
  return Math.round(units * 100) / 100;
}
