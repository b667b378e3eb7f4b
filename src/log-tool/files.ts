/**
 * The files as the log tool sees them: a parameter, like the World of a broker. Reading is synchronous, since a command
 * that checks files has nothing else to do meanwhile. Symbolic links below the directory that was named are never followed.
 */

export type EntryKind = 'file' | 'directory' | 'other'

export interface Entry {
  readonly name: string
  readonly kind: EntryKind
  readonly sizeBytes: number
}

export interface OpenedFile {
  /** As of the moment when the file was opened. */
  readonly sizeBytes: number
  /** Reads up to `into.length` bytes; fewer only at the end of the file. */
  readAt(position: number, into: Uint8Array): number
  close(): void
}

/** Nothing here writes. Failures throw the system's error (`code` as in errno). */
export interface ReadFiles {
  /** By name; an entry that goes away meanwhile is left out. */
  list(directory: string): Entry[]
  open(path: string): OpenedFile
  exists(path: string): boolean
  /** Whether a process holds the lock on `path`; undefined where the system does not tell. */
  isLocked(path: string): boolean | undefined
}

export interface NewFile {
  append(bytes: Uint8Array): void
  /** Syncs what was appended and closes the file. */
  finish(): void
  /** Closes a file that is given up. */
  abandon(): void
}

/** What `repair` may do. Whatever takes effect under a name of the log does so by one rename, link or truncation. */
export interface RepairFiles extends ReadFiles {
  /** Takes an exclusive lock that ends with the process; undefined when another process holds it. */
  lock(path: string): { release(): void } | undefined
  /** A new file, or an emptied one: only for temporary names and those of `NameAside`. */
  create(path: string): NewFile
  rename(from: string, to: string): void
  /** A second name for a file; `to` must not exist. */
  link(from: string, to: string): void
  /** Cuts a file and syncs it. */
  truncate(path: string, sizeBytes: number): void
  /** Makes one directory; no failure when it is there. */
  makeDirectory(path: string): void
  syncDirectory(path: string): void
}

export const errorCode = (error: unknown): string | undefined => (error as { code?: string } | null)?.code

/** The text of what the system said: the code where there is one. */
export const errorText = (error: unknown): string =>
  errorCode(error) ?? (error instanceof Error ? error.message : String(error))

/** The bytes of a small file; undefined when it is not there, `tooLarge` when it is larger than `bytesMax`. */
export function readWhole(files: ReadFiles, path: string, bytesMax: number): Uint8Array | 'tooLarge' | undefined {
  let file: OpenedFile
  try {
    file = files.open(path)
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return undefined
    throw error
  }
  try {
    if (file.sizeBytes > bytesMax) return 'tooLarge'
    const bytes = new Uint8Array(file.sizeBytes)
    return bytes.subarray(0, file.readAt(0, bytes))
  } finally {
    file.close()
  }
}
