/**
 * Does `work` for each item, at most `limit` at once, in order of their beginnings. All are done when it resolves or
 * rejects; it rejects with the first failure.
 */
export async function atOnce<T>(items: readonly T[], limit: number, work: (item: T) => Promise<void>): Promise<void> {
  const failures: unknown[] = []
  let next = 0
  const some = async () => {
    while (next < items.length) await work(items[next++]!).catch((error: unknown) => failures.push(error))
  }
  await Promise.all(Array.from({ length: Math.min(limit, items.length) }, some))
  if (failures.length > 0) throw failures[0]
}
