/** The value of the record with this offset: its number, and as much more as the number says. */
export const valueAt = (offset: number): Buffer => Buffer.from(`${offset} ${'x'.repeat((offset * 37) % 400)}`)
