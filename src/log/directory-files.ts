import type { DirectoryLook, Disk } from '../base/world.ts'

/** What lies in a directory, its small files read; undefined where there is none. */
export async function lookAt(disk: Disk, path: string): Promise<DirectoryLook | undefined> {
  if (disk.look !== undefined) return await disk.look(path)
  if (!(await disk.exists(path))) return undefined
  const names = await disk.list(path)
  const contents = new Map<string, Uint8Array>()
  for (const name of names) {
    if (/\.(log|index|timeindex)$/.test(name)) continue
    const content = await disk.read(`${path}/${name}`)
    if (content !== undefined) contents.set(name, content)
  }
  return { names, contents }
}

/** Writes files into a directory and removes others; what is lost of it in a power failure a start makes again. */
export async function putFiles(
  disk: Disk,
  path: string,
  files: ReadonlyMap<string, Uint8Array>,
  removed: readonly string[] = [],
): Promise<void> {
  if (disk.put !== undefined) return await disk.put(path, files, removed)
  await disk.makeDirectory(path)
  for (const [name, content] of files) await disk.replace(`${path}/${name}`, content)
  for (const name of removed) await disk.remove(`${path}/${name}`)
}
