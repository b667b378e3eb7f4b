import { readdir } from 'node:fs/promises'
import { join } from 'node:path'

/** A partition's directory and the names of its files. */
export interface PartitionFiles {
  readonly dir: string
  readonly files: readonly string[]
}

const segmentName = /^\d{20}\.log$/

/** Every directory below `dataDir` that holds segments: one per partition. */
export const partitionDirs = async (dataDir: string): Promise<PartitionFiles[]> => {
  const entries = await readdir(dataDir, { recursive: true, withFileTypes: true })
  const byDir = new Map<string, string[]>()
  for (const entry of entries) {
    if (!entry.isFile()) continue
    byDir.set(entry.path, [...(byDir.get(entry.path) ?? []), entry.name])
  }
  return [...byDir]
    .filter(([, files]) => files.some(file => segmentName.test(file)))
    .map(([dir, files]) => ({ dir, files: files.sort() }))
}

export const segmentFiles = ({ dir, files }: PartitionFiles): string[] =>
  files.filter(file => segmentName.test(file)).map(file => join(dir, file))
