// Speaks the line protocol of drivers/README.md. Arguments: HOST:PORT, and the directory that the client is installed in.
import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { createInterface } from 'node:readline'

const inlineBytesMax = 1024

export const [bootstrap, installation] = process.argv.slice(2)

/** Resolves from where the client is installed, not from here. */
export const require = createRequire(join(installation, 'package.json'))

export const versionOf = name =>
  JSON.parse(readFileSync(join(installation, 'node_modules', name, 'package.json'), 'utf8')).version

export const toBytes = text => (text === null ? null : Buffer.from(text, 'base64'))

/** Base64, or a digest of what is too long for a line. */
export const toText = bytes => {
  if (bytes === null || bytes === undefined) return null
  if (bytes.length <= inlineBytesMax) return Buffer.from(bytes).toString('base64')
  return `sha256:${createHash('sha256').update(bytes).digest('hex')}`
}

/** One record as it was read. */
export const recordOf = (offset, timestamp, key, value, headers) => ({
  offset: Number(offset),
  timestamp: Number(timestamp),
  key: toText(key),
  value: toText(value),
  headers: headers.map(([name, bytes]) => [String(name), toText(bytes)]),
})

/** An error with Kafka's code. */
export class Failure extends Error {
  constructor(code, message) {
    super(message)
    this.code = code
  }
}

/** Collects what a fetch asked for, partition by partition. */
export class Parts {
  constructor(parts) {
    this.wanted = parts
    this.records = new Map(parts.map(part => [`${part.topic} ${part.partition}`, []]))
    this.missing = parts.reduce((sum, part) => sum + part.count, 0)
  }

  of(topic, partition) {
    return this.records.get(`${topic} ${partition}`)
  }

  add(topic, partition, record) {
    const part = this.wanted.find(wanted => wanted.topic === topic && wanted.partition === partition)
    const records = this.of(topic, partition)
    if (records.length === part.count) return
    records.push(record)
    this.missing--
  }

  answer() {
    return { parts: this.wanted.map(part => this.of(part.topic, part.partition)) }
  }
}

/** Answers commands until stdin ends; `codeOf` finds Kafka's code in the client's own errors, or 0. */
export const serve = async (version, ops, codeOf) => {
  const all = { ...ops, hello: async () => ({ version, ops: Object.keys(ops) }) }
  for await (const line of createInterface({ input: process.stdin })) {
    const { op, args } = JSON.parse(line)
    const answer = await all[op](args).then(
      result => ({ result: result ?? null }),
      error => ({ error: { code: error instanceof Failure ? error.code : codeOf(error), message: String(error) } }),
    )
    process.stdout.write(`${JSON.stringify(answer)}\n`)
  }
  process.exit(0)
}
