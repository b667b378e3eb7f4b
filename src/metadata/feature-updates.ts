import { err, ok, type Result } from '../base/result.ts'

/** Kafka's numbers. A safe downgrade loses nothing; an unsafe one may. */
export const UpgradeType = { upgrade: 1, safeDowngrade: 2, unsafeDowngrade: 3 } as const

/** One feature's new level, as a client asks for it. */
export interface FeatureUpdate {
  readonly name: string
  readonly level: number
  readonly upgradeType: number
}

interface Range {
  readonly min: number
  readonly max: number
}

/**
 * The levels that the updates lead to, or why the first that cannot be done cannot, in Kafka's words and order. Of two
 * for one feature the last counts. No level here changes how metadata are written, so every downgrade is a safe one.
 */
export function planFeatureUpdates(
  updates: readonly FeatureUpdate[],
  levelOf: (name: string) => number,
  rangeOf: (name: string) => Range | undefined,
  nodeId: number,
): Result<ReadonlyMap<string, number>, string> {
  const last = new Map(updates.map(update => [update.name, update]))
  for (const update of last.values()) {
    const why = refuseUpdate(update, levelOf(update.name), rangeOf(update.name), nodeId)
    if (why !== undefined) return err(`Invalid update version ${update.level} for feature ${update.name}. ${why}`)
  }
  return ok(new Map([...last.values()].map(({ name, level }) => [name, level])))
}

function refuseUpdate(
  { name, level, upgradeType }: FeatureUpdate,
  current: number,
  range: Range | undefined,
  nodeId: number,
): string | undefined {
  const types: readonly number[] = Object.values(UpgradeType)
  if (!types.includes(upgradeType)) return 'The controller does not support the given upgrade type.'
  if (level < 0) return 'A feature version cannot be less than 0.'
  const { min, max } = range ?? { min: 0, max: 0 }
  if (level < min || level > max) {
    const controller = `Local controller ${nodeId}`
    return max === 0
      ? `${controller} does not support this feature.`
      : `${controller} only supports versions ${min}-${max}`
  }
  if (level < current && upgradeType === UpgradeType.upgrade)
    return "Can't downgrade the version of this feature without setting the upgrade type to either safe or unsafe downgrade."
  if (level > current && upgradeType !== UpgradeType.upgrade) return "Can't downgrade to a newer version."
  return range === undefined ? `Feature ${name} not found.` : undefined
}
