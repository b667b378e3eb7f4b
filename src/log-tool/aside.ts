import type { RepairFiles } from './files.ts'

const copyBytes = 4 << 20

/** `20261123T041500Z`. */
export const stampOf = (wallMs: number): string => new Date(wallMs).toISOString().replace(/[-:]|\.\d+/g, '')

/**
 * Where what a repair takes away is kept: a directory of its own in the partition's, made with the first file. Its name does
 * not end with a number, or the broker would take it for a partition.
 */
export class Aside {
  private readonly files: RepairFiles
  private readonly directory: string
  private readonly stamp: string
  private made: string | undefined

  constructor(files: RepairFiles, directory: string, stamp: string) {
    this.files = files
    this.directory = directory
    this.stamp = stamp
  }

  /** A name in it that is not taken, durable with the next sync of it. */
  place(name: string): string {
    if (this.made === undefined) {
      this.made = `${this.directory}/repair-${this.stamp}`
      this.files.makeDirectory(this.made)
      this.files.syncDirectory(this.directory)
    }
    for (let copy = 0; ; copy++) {
      const path = `${this.made}/${name}${copy === 0 ? '' : `.${copy}`}`
      if (!this.files.exists(path)) return path
    }
  }

  /** Gives a file of the partition a second name in here, so that the first one can be replaced. */
  keep(name: string): string {
    const place = this.place(name)
    this.files.link(`${this.directory}/${name}`, place)
    this.files.syncDirectory(this.made!)
    return place
  }

  /** Moves a file of the partition in here. */
  move(name: string): string {
    const place = this.place(name)
    this.files.rename(`${this.directory}/${name}`, place)
    this.files.syncDirectory(this.made!)
    this.files.syncDirectory(this.directory)
    return place
  }

  /** Puts `bytes` in the place of a file, which is kept; afterwards, also after a crash, it is either old or new. */
  replace(name: string, pieces: Iterable<Uint8Array>): void {
    const path = `${this.directory}/${name}`
    const temporary = `${path}.tmp`
    writeFile(this.files, temporary, pieces)
    if (this.files.exists(path)) this.keep(name)
    this.files.rename(temporary, path)
    this.files.syncDirectory(this.directory)
  }
}

/** Writes and syncs a file under a name that means nothing yet. */
export function writeFile(files: RepairFiles, path: string, pieces: Iterable<Uint8Array>): void {
  const file = files.create(path)
  try {
    for (const piece of pieces) file.append(piece)
  } catch (error) {
    file.abandon()
    throw error
  }
  file.finish()
}

/** The bytes [from, to) of a file, piece by piece. */
export function* bytesOf(files: RepairFiles, path: string, from: number, to: number): Generator<Uint8Array> {
  const file = files.open(path)
  try {
    const buffer = new Uint8Array(Math.min(copyBytes, Math.max(to - from, 1)))
    for (let position = from; position < to; ) {
      const piece = buffer.subarray(0, Math.min(buffer.length, to - position))
      const got = file.readAt(position, piece)
      if (got === 0) throw Object.assign(new Error(`${path} became shorter`), { code: 'EIO', path })
      yield piece.subarray(0, got)
      position += got
    }
  } finally {
    file.close()
  }
}
