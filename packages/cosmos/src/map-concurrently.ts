/**
 * Runs a task for each item, at most `limit` at a time, and gives the results in the order of the items. When tasks fail the others
 * are finished first; then the first failure is thrown.
 */
export async function mapConcurrently<Item, Result>(
  items: readonly Item[],
  limit: number,
  task: (item: Item) => Promise<Result>,
): Promise<Result[]> {
  const results: Result[] = [];
  const failures: { readonly error: unknown }[] = [];
  const queue = items.entries();
  const work = async (): Promise<void> => {
    // One iterator is shared by all workers: each takes the next item.
    for (const [i, item] of queue) {
      try {
        results[i] = await task(item);
      } catch (error) {
        failures.push({ error });
      }
    }
  };
  await Promise.all(Array.from({ length: Math.min(limit, items.length) }, work));
  const [failure] = failures;
  if (failure) throw failure.error;
  return results;
}
