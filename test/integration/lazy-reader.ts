import { EventEmitter, once } from 'node:events'
import { readdirSync, readlinkSync } from 'node:fs'
import { connect, type Socket } from 'node:net'
import type { TestContext } from 'node:test'

/** A connection that takes nothing by itself, however long it is left alone. */
export class LazyReader {
  private readonly chunks: Buffer[] = []
  private received = 0
  private readonly events = new EventEmitter()

  private constructor(private readonly socket: Socket) {
    socket.on('error', () => {}) // A reset is one way to end.
  }

  static async open(t: TestContext, port: number): Promise<LazyReader> {
    const socket = connect({ port, host: '127.0.0.1', noDelay: true })
    t.after(() => socket.destroy())
    await once(socket, 'connect')
    const reader = new LazyReader(socket)
    socket.on('data', chunk => {
      reader.chunks.push(chunk)
      reader.received += chunk.length
      reader.events.emit('progress')
    })
    socket.on('close', () => reader.events.emit('progress'))
    socket.pause()
    return reader
  }

  send(bytes: Uint8Array): void {
    this.socket.write(bytes)
  }

  /** Reads until there are so many bytes, or the connection has ended. */
  async read(bytes: number): Promise<void> {
    this.socket.resume()
    while (this.received < bytes && !this.socket.closed) await once(this.events, 'progress')
    this.socket.pause()
  }

  get bytes(): Buffer {
    return Buffer.concat(this.chunks)
  }

  get ended(): boolean {
    return this.socket.closed
  }

  end(): void {
    this.socket.destroy()
  }
}

/** Descriptors of this process for files below `directory`, those without a name included. */
function descriptorsBelow(directory: string): string[] {
  return readdirSync('/proc/self/fd').flatMap(descriptor => {
    try {
      const target = readlinkSync(`/proc/self/fd/${descriptor}`)
      return target.startsWith(directory) ? [target] : []
    } catch {
      return []
    }
  })
}

/** Resolves when this process holds no file below `directory` any more; the background thread closes what is left. */
export async function untilClosed(directory: string): Promise<void> {
  const deadlineMs = performance.now() + 10_000
  while (descriptorsBelow(directory).length > 0) {
    if (performance.now() > deadlineMs) throw new Error(`still open: ${descriptorsBelow(directory).join(' ')}`)
    await new Promise(resolve => setTimeout(resolve, 5))
  }
}

/** Bytes that tell which log, which life of it and which offset they belong to. */
export function pattern(life: number, offset: number, length: number): Uint8Array {
  const words = new Uint32Array(Math.ceil(length / 4))
  let word = Math.imul(life + 1, 0x9e3779b1) ^ Math.imul(offset + 1, 0x85ebca6b)
  for (let i = 0; i < words.length; i++) {
    word = (Math.imul(word, 1_664_525) + 1_013_904_223) | 0
    words[i] = word | 0x01010101 // No zeros: those a cut would leave.
  }
  return new Uint8Array(words.buffer, 0, length)
}
