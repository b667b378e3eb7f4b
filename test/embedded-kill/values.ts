/** The value of the record with this offset: its number, and as much more as the number says. */
export const valueAt = (offset: number): Buffer => Buffer.from(`${offset} ${'x'.repeat((offset * 37) % 400)}`)

/** One of a few keys, some of them seldom; each of them is among so many records that follow each other. */
export const keyAt = (offset: number): string =>
  offset % 50 === 0 ? `seldom ${(offset / 50) % 40}` : `key ${offset % 20}`
export const keysRepeatAfter = 2000
