/** Ends the operation when an invariant is broken: programmer errors fail loudly, with the values that broke it. */
export function assert(condition: boolean, message: string, values?: Record<string, unknown>): asserts condition {
  if (condition) return
  throw new InvariantError(values === undefined ? message : `${message} (${describe(values)})`)
}

export class InvariantError extends Error {
  override readonly name = 'InvariantError'
}

function describe(values: Record<string, unknown>): string {
  return Object.entries(values)
    .map(([name, value]) => `${name}=${String(value)}`)
    .join(', ')
}
