import { type Check, invalidValue, parseList } from './definition.ts'

/** The checks of values that Kafka's definitions use, with its words. Numbers come in their canonical form. */

export const atLeast =
  (min: number): Check =>
  (name, value) =>
    compare(value, min) < 0 ? invalidValue(name, value, `Value must be at least ${min}`) : undefined

export const between =
  (min: number, max: number): Check =>
  (name, value) => {
    if (compare(value, min) < 0) return invalidValue(name, value, `Value must be at least ${min}`)
    return compare(value, max) > 0 ? invalidValue(name, value, `Value must be no more than ${max}`) : undefined
  }

/** A compression level from 1 to 9, or -1 for the codec's own choice. */
export const gzipLevel: Check = (name, value) =>
  value === '-1' || /^[1-9]$/.test(value)
    ? undefined
    : invalidValue(name, value, 'Value must be between 1 and 9 or equal to -1')

export const oneOf =
  (...choices: readonly string[]): Check =>
  (name, value) =>
    choices.includes(value) ? undefined : invalidValue(name, value, `String must be one of: ${choices.join(', ')}`)

export const oneOfAnyCase =
  (...choices: readonly string[]): Check =>
  (name, value) =>
    choices.includes(value.toLowerCase())
      ? undefined
      : invalidValue(name, value, `String must be one of (case insensitive): ${choices.join(', ').toUpperCase()}`)

/** A list, perhaps empty, of these. */
export const listOf =
  (...choices: readonly string[]): Check =>
  (name, value) => {
    const items = parseList(value)
    if (items.includes('')) return `Configuration '${name}' values must not be empty.`
    const stranger = items.find(item => !choices.includes(item))
    return stranger === undefined
      ? undefined
      : invalidValue(name, stranger, `String must be one of: ${choices.join(', ')}`)
  }

const assignorNames = new Map([
  ['uniform', 'uniform'],
  ['range', 'range'],
  ['org.apache.kafka.coordinator.group.assignor.UniformAssignor', 'uniform'],
  ['org.apache.kafka.coordinator.group.assignor.RangeAssignor', 'range'],
])

/** The name of a server-side assignor that is built in, which may be given by Kafka's class. */
export const assignorName = (given: string): string | undefined => assignorNames.get(given)

/** Server-side assignors, each once, the one that is preferred first. */
export const builtInAssignors: Check = (name, value) => {
  const items = parseList(value)
  if (items.length === 0) return `Configuration '${name}' must not be empty. Valid values include: any non-empty value`
  const stranger = items.find(item => assignorName(item) === undefined)
  if (stranger !== undefined)
    return invalidValue(name, stranger, 'This broker has the assignors that are built in: uniform, range')
  const names = items.map(assignorName)
  return new Set(names).size === names.length ? undefined : `Configuration '${name}' values must not be duplicated.`
}

/** `*`, or partitions with brokers: `0:1,1:2`. */
export const throttledReplicas: Check = (name, value) => {
  const items = parseList(value)
  if (value === '*' || items.every(item => /^\d+:\d+$/.test(item))) return undefined
  const format = '[partitionId]:[brokerId],[partitionId]:[brokerId],...'
  const why = `${name} must be the literal '*' or a list of replicas in the following format: ${format}`
  return invalidValue(name, `[${items.join(', ')}]`, why)
}

/** Values of Kafka's that this broker cannot carry out: refused rather than ignored. */
export const servesOnly =
  (served: string, check: Check, why: string): Check =>
  (name, value) => {
    const refused = check(name, value)
    if (refused !== undefined) return refused
    return value === served ? undefined : invalidValue(name, value, why)
  }

/** Integers that JavaScript cannot hold exactly keep their order to small bounds. */
function compare(value: string, bound: number): number {
  return Number(value) - bound
}
