/** Versions from `min` to `max`, both included. */
export interface VersionRange {
  readonly min: number
  readonly max: number
}

/** Parses '3-13', '9+' or '0'. An open range ends at Infinity. Throws on anything else: the text is our own. */
export function parseVersions(text: string): VersionRange {
  const match = /^(\d+)(?:-(\d+)|(\+))?$/.exec(text)
  if (match === null) throw new TypeError(`not a version range: ${text}`)
  const min = Number(match[1])
  const max = match[3] === '+' ? Number.POSITIVE_INFINITY : match[2] === undefined ? min : Number(match[2])
  if (max < min) throw new TypeError(`empty version range: ${text}`)
  return { min, max }
}

export function includesVersion(range: VersionRange, version: number): boolean {
  return Number.isInteger(version) && version >= range.min && version <= range.max
}
