import { createHash, type Hash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { open } from 'node:fs/promises'

const words = (
  'the log holds what was acknowledged and nothing else segment offset index batch leader epoch high watermark ' +
  'fetch produce replica flush recovery point of a to in is it that for on are as with his they at be this from I ' +
  'Grüße aus Köln naïve café piñata Ærøskøbing Łódź Český žluťoučký kůň Αθήνα логи 東京 ログ 北京 한국어 שלום مرحبا 🌊 🪵 '
).split(' ')

/** mulberry32: small, and the same on every machine, so that a failure can be run again. */
const randomFrom = (seed: number): (() => number) => {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let t = Math.imul(state ^ (state >>> 15), 1 | state)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32
  }
}

export interface TextFile {
  readonly path: string
  readonly bytes: number
  readonly lines: number
  readonly sha256: string
}

/**
 * Writes at least `bytesMin` of text as people write it: numbered lines of very different lengths, some of several
 * kilobytes, several scripts in UTF-8. No line is empty, since kcat sends no message for an empty one.
 */
export const writeText = async (path: string, bytesMin: number, seed = 1): Promise<TextFile> => {
  const random = randomFrom(seed)
  const hash = createHash('sha256')
  const file = await open(path, 'w')
  let bytes = 0
  let lines = 0
  try {
    while (bytes < bytesMin) {
      let block = ''
      while (block.length < 1 << 20) {
        lines += 1
        const long = random() < 0.002
        const count = Math.floor(random() * random() * (long ? 2_000 : 30))
        let line = `${lines}`
        for (let i = 0; i < count; i++) line += ` ${words[Math.floor(random() * words.length)]}`
        block += `${line}\n`
      }
      const encoded = Buffer.from(block)
      hash.update(encoded)
      await file.write(encoded)
      bytes += encoded.length
    }
  } finally {
    await file.close()
  }
  return { path, bytes, lines, sha256: hash.digest('hex') }
}

export const sha256Of = async (path: string): Promise<string> => {
  const hash: Hash = createHash('sha256')
  for await (const chunk of createReadStream(path)) hash.update(chunk as Buffer)
  return hash.digest('hex')
}
