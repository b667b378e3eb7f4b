import { err, ok, type Result } from '../base/result.ts'

/** A config's type, in the numbers of DescribeConfigs. */
export const ConfigType = {
  boolean: 1,
  string: 2,
  int: 3,
  short: 4,
  long: 5,
  double: 6,
  list: 7,
  class: 8,
  password: 9,
} as const
export type ConfigType = (typeof ConfigType)[keyof typeof ConfigType]

/** Values of configs by name, as text. */
export type Configs = Readonly<Record<string, string>>

/** Why a value of the right type is refused, as a whole sentence; undefined when it is taken. */
export type Check = (name: string, value: string) => string | undefined

export interface ConfigDefinition {
  readonly name: string
  readonly type: ConfigType
  /** As Kafka prints it; null: there is none. */
  readonly default: string | null
  readonly check?: Check
}

/** Definitions by name, in the order in which they are described. */
export type Definitions<D extends ConfigDefinition = ConfigDefinition> = ReadonlyMap<string, D>

export function definitions<D extends ConfigDefinition>(list: readonly D[]): Definitions<D> {
  return new Map(list.map(definition => [definition.name, definition]))
}

/** Nobody sees the value of a sensitive config again once it is set. */
export const isSensitive = ({ type }: ConfigDefinition): boolean => type === ConfigType.password

export const invalidValue = (name: string, value: string, why: string): string =>
  `Invalid value ${value} for configuration ${name}: ${why}`

const integerRanges = new Map<ConfigType, { readonly name: string; readonly max: bigint }>([
  [ConfigType.short, { name: 'SHORT', max: 2n ** 15n - 1n }],
  [ConfigType.int, { name: 'INT', max: 2n ** 31n - 1n }],
  [ConfigType.long, { name: 'LONG', max: 2n ** 63n - 1n }],
])

/** The value in the form in which Kafka prints it, or why it is refused. */
export function parseConfig(definition: ConfigDefinition, text: string): Result<string, string> {
  const { name, type, check } = definition
  const value = canonical(type, text)
  if (value === undefined) return err(invalidValue(name, text, whatIsExpected(type)))
  const refused = check?.(name, value)
  return refused === undefined ? ok(value) : err(refused)
}

function canonical(type: ConfigType, text: string): string | undefined {
  switch (type) {
    case ConfigType.boolean: {
      const flag = text.trim().toLowerCase()
      return flag === 'true' || flag === 'false' ? flag : undefined
    }
    case ConfigType.short:
    case ConfigType.int:
    case ConfigType.long: {
      if (!/^[+-]?\d{1,19}$/.test(text.trim())) return undefined
      const { max } = integerRanges.get(type)!
      const number = BigInt(text.trim().replace(/^\+/, ''))
      return number > max || number < -max - 1n ? undefined : String(number)
    }
    case ConfigType.double: {
      const number = /^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$/.test(text.trim()) ? Number(text) : Number.NaN
      return Number.isFinite(number) ? formatDouble(number) : undefined
    }
    case ConfigType.list:
      return parseList(text).join(',')
    case ConfigType.class:
      return text.trim()
    case ConfigType.string:
    case ConfigType.password:
      return text
  }
}

function whatIsExpected(type: ConfigType): string {
  if (type === ConfigType.boolean) return 'Expected value to be either true or false'
  return `Not a number of type ${integerRanges.get(type)?.name ?? 'DOUBLE'}`
}

/** As Java prints a double: with a fraction always, and with an exponent below a thousandth and from ten million on. */
function formatDouble(number: number): string {
  const size = Math.abs(number)
  if (size !== 0 && (size < 1e-3 || size >= 1e7)) {
    const [digits, exponent] = number.toExponential().split('e') as [string, string]
    return `${digits.includes('.') ? digits : `${digits}.0`}E${Number(exponent)}`
  }
  return Number.isInteger(number) ? `${number}.0` : String(number)
}

/** The items of a list, blank ones included; no item when the text is blank. */
export function parseList(text: string): string[] {
  const trimmed = text.trim()
  return trimmed === '' ? [] : trimmed.split(',').map(item => item.trim())
}

export function parseBoolean(text: string): boolean {
  return text.trim().toLowerCase() === 'true'
}

/** Kafka's Long.MAX_VALUE, in configs: never. */
export const maxLong = '9223372036854775807'

/** A number beyond ±2^53 counts as ±2^53: both mean "never". */
export function parseNumber(text: string): number {
  return Math.min(Math.max(Number(text), -Number.MAX_SAFE_INTEGER), Number.MAX_SAFE_INTEGER)
}
