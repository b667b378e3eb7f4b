import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import type { Plugin } from 'esbuild'

export const root = fileURLToPath(new URL('../../..', import.meta.url))

/** What a module calls its own place; not written out, as these files are themselves bundled so. */
export const ownUrl = ['import', 'meta', 'url'].join('.')

/** A change to one file of src: `find` is there exactly once. */
export interface Edit {
  readonly file: string
  readonly find: string
  readonly replace: string
}

/** Bundles a program whose source is edited on the way, and fails where an edit does not fit any more. */
export function editing(edits: readonly Edit[]): Plugin {
  const left = new Set(edits)
  return {
    name: 'edits',
    setup({ onLoad, onEnd }) {
      onLoad({ filter: /\.ts$/ }, async ({ path }) => {
        let contents = await readFile(path, 'utf8')
        for (const edit of edits) {
          if (path !== join(root, edit.file)) continue
          if (contents.split(edit.find).length !== 2) throw new Error(`${edit.file} has not once: ${edit.find}`)
          contents = contents.replace(edit.find, () => edit.replace)
          left.delete(edit)
        }
        // Whatever looks for files beside its source still finds them there.
        return path.startsWith(join(root, 'test'))
          ? { contents: contents.replaceAll(ownUrl, JSON.stringify(pathToFileURL(path).href)), loader: 'ts' }
          : { contents, loader: 'ts' }
      })
      onEnd(() => {
        for (const { file, find } of left) throw new Error(`${file} is not part of the program, so it has not: ${find}`)
      })
    },
  }
}
