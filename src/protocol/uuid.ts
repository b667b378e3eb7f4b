// Kafka writes a UUID as 16 bytes and shows it as 22 characters of unpadded base64url. Inside the broker it is that
// text: it compares, hashes and logs as a string, and the decoder hands out one string per topic, not one per request.

declare const uuidBrand: unique symbol
/** The 22-character form of a UUID. */
export type Uuid = string & { readonly [uuidBrand]: true }

const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'
const uuidPattern = /^[A-Za-z0-9_-]{21}[AQgw]$/

/** Stands for "no id". */
export const zeroUuid = 'AAAAAAAAAAAAAAAAAAAAAA' as Uuid

export function isUuid(text: string): text is Uuid {
  return uuidPattern.test(text)
}

/** The text of the 16 bytes at `position`, which must be there. */
export function uuidFromBytes(bytes: Uint8Array, position = 0): Uuid {
  let text = ''
  for (let i = position; i < position + 15; i += 3) {
    const bits = (bytes[i]! << 16) | (bytes[i + 1]! << 8) | bytes[i + 2]!
    text += alphabet[bits >> 18]! + alphabet[(bits >> 12) & 63]! + alphabet[(bits >> 6) & 63]! + alphabet[bits & 63]!
  }
  const last = bytes[position + 15]!
  return (text + alphabet[last >> 2]! + alphabet[(last & 3) << 4]!) as Uuid
}

/** Writes 16 bytes at `position`; false, with nothing written, if `text` is not a UUID. */
export function writeUuid(text: string, bytes: Uint8Array, position: number): boolean {
  if (!uuidPattern.test(text)) return false
  let bits = 0
  let count = 0
  let at = position
  for (let i = 0; i < 22; i++) {
    bits = ((bits << 6) | sextet(text.charCodeAt(i))) & 0xfff
    count += 6
    if (count >= 8) {
      count -= 8
      bytes[at++] = bits >> count
    }
  }
  return true
}

export function uuidToBytes(text: Uuid): Uint8Array {
  const bytes = new Uint8Array(16)
  if (!writeUuid(text, bytes, 0)) throw new TypeError(`not a UUID: ${text}`)
  return bytes
}

function sextet(code: number): number {
  if (code >= 97) return code - 71 // a-z
  if (code === 95) return 63 // _
  if (code >= 65) return code - 65 // A-Z
  if (code >= 48) return code + 4 // 0-9
  return 62 // -
}
