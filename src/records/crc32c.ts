// CRC-32C (Castagnoli), reflected. For the small batches and files this process writes itself; bulk data is checked natively.
const table = new Uint32Array(256)
for (let i = 0; i < 256; i++) {
  let crc = i
  for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0x82f63b78 : crc >>> 1
  table[i] = crc
}

/** CRC-32C of `bytes`, as an unsigned 32-bit number. */
export const crc32c = (bytes: Uint8Array): number => extendCrc32c(0, bytes)

/** The checksum of some bytes followed by `bytes`, where `before` is that of the former; of none it is 0. */
export function extendCrc32c(before: number, bytes: Uint8Array): number {
  let crc = before ^ 0xffffffff
  for (let i = 0; i < bytes.length; i++) crc = table[(crc ^ bytes[i]!) & 0xff]! ^ (crc >>> 8)
  return (crc ^ 0xffffffff) >>> 0
}
