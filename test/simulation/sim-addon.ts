import { createRequire } from 'node:module'
import { fileURLToPath } from 'node:url'
import { getSystemErrorName } from 'node:util'
import type { Addon, RawEngine } from '../../src/native/addon.ts'

/** What native/test/addon adds to the addon. Calls to a file system answer an errno, negated, where they fail. */
export interface SimAddon extends Addon {
  createDisk(seed: number): number
  /** The disk as the next process of this boot, or the next boot, finds it. The old one stays as it is. */
  killProcess(disk: number, seed: number): number
  losePower(disk: number, seed: number): number
  dropDisk(disk: number): void
  /** The n-th call from the disk's creation, and all later ones, fail. */
  crashAfter(disk: number, n: number): void
  failCall(disk: number, n: number, errno: number): void
  setCapacity(disk: number, bytes: number): void
  setTime(disk: number, wallMs: number): void
  hasCrashed(disk: number): boolean
  callCount(disk: number): number
  calls(disk: number): string[]

  openFile(disk: number, path: string, create: boolean): number
  rename(disk: number, from: string, to: string): number
  unlink(disk: number, path: string): number
  makeDirectory(disk: number, path: string): number
  removeDirectory(disk: number, path: string): number
  syncDirectory(disk: number, path: string): number
  listDirectory(disk: number, path: string): string[] | number
  freeBytes(disk: number, path: string): number
  truncateFile(file: number, size: number): number
  writeFile(file: number, bytes: Uint8Array): number
  readFile(file: number): ArrayBuffer | number
  syncFile(file: number): number
  closeFile(file: number): void

  createSimEngine(disk: number, maxAgeMs: number, maxUnflushedBytes: number): RawSimEngine
}

export interface RawSimEngine extends RawEngine {
  heldCalls(): number
  runHeldCall(index: number): void
  /** One pass of the flush pool; how many logs it synced. */
  flushOnce(nowMs: number): number
  lendArena(arena: number, bytes: Uint8Array): void
  /** The process has died: nothing is answered any more. */
  abandon(): void
}

const addonPath = fileURLToPath(new URL('../../build/sim/millrace_sim.node', import.meta.url))

/** Made by tools/build-sim-addon.mjs. */
export const simAddon = createRequire(import.meta.url)(addonPath) as SimAddon

/** A result that is an errno becomes the error that Node would have thrown. */
export function checked<T>(call: string, path: string, result: T | number): T {
  if (typeof result !== 'number' || result >= 0) return result as T
  const code = getSystemErrorName(result)
  throw Object.assign(new Error(`${code}: ${call} '${path}'`), { code, errno: result })
}
