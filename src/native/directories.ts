import type { DirectoryLook } from '../base/world.ts'
import { fromNative } from './errors.ts'
import { loadAddon } from './load-addon.ts'

/** Looks at a directory and into its small files, on a worker thread; undefined where there is none. */
export async function lookAtDirectory(path: string): Promise<DirectoryLook | undefined> {
  const looked = await called(path, () => loadAddon().lookAtDirectory(path))
  if (looked === undefined) return undefined
  const [names, ...files] = looked
  const contents = new Map<string, Uint8Array>()
  for (let at = 0; at < files.length; at += 2) contents.set(files[at] as string, files[at + 1] as Uint8Array)
  return { names, contents }
}

/** Writes and removes files of a directory, which is made if need be; nothing of it is durable. */
export async function putFiles(
  path: string,
  files: ReadonlyMap<string, Uint8Array>,
  removed: readonly string[],
): Promise<void> {
  await called(path, () => loadAddon().putFiles(path, [...files].flat(), removed))
}

async function called<T>(path: string, call: () => Promise<T>): Promise<T> {
  try {
    return await call()
  } catch (failure) {
    throw fromNative(`use the files in ${path}`, failure)
  }
}
