/** What a stretch of work took, for each unit of it. */
export interface Cost {
  readonly wallUs: number;
  /** Processor time of this process: user and system. */
  readonly cpuUs: number;
}

/** Does `count` units of work, so many at a time, and tells what each took. */
export async function measure(
  count: number,
  concurrency: number,
  work: (n: number) => Promise<unknown>,
): Promise<Cost> {
  let next = 0;
  const worker = async (): Promise<void> => {
    for (let n = next++; n < count; n = next++) await work(n);
  };
  const cpu = process.cpuUsage();
  const started = performance.now();
  await Promise.all(Array.from({ length: concurrency }, worker));
  const wallUs = ((performance.now() - started) * 1000) / count;
  const { user, system } = process.cpuUsage(cpu);
  return { wallUs, cpuUs: (user + system) / count };
}

/** The middle of many figures, and the middle half of them around it. */
export interface Summary {
  readonly median: number;
  readonly low: number;
  readonly high: number;
}

/** Sums up figures: median and quartiles, since single rounds are disturbed by what else the machine does. */
export function summarize(values: readonly number[]): Summary {
  const sorted = values.toSorted((left, right) => left - right);
  const at = (share: number): number => sorted[Math.round(share * (sorted.length - 1))] ?? Number.NaN;
  return { median: at(0.5), low: at(0.25), high: at(0.75) };
}
