import { createRequire } from 'node:module'
import { join } from 'node:path'
import type { LogSide } from './task.ts'

/** Loads what a side needs only in the process that measures it. */
export async function openSide(name: string, directory: string, peers: string): Promise<LogSide> {
  const require = createRequire(join(peers, 'package.json'))
  switch (name) {
    case 'millrace':
      return await (await import('./millrace.ts')).openMillrace(directory)
    case 'fs':
      return (await import('./plain-file.ts')).openPlainFile(directory)
    case 'memory':
      return (await import('./memory.ts')).openMemory()
    case 'lmdb':
      return (await import('./lmdb.ts')).openLmdb(require('lmdb'), directory)
    case 'sqlite':
      return (await import('./sqlite.ts')).openSqlite(require('better-sqlite3'), directory)
    case 'level':
      return await (await import('./level.ts')).openLevel(require('classic-level'), directory)
    default:
      throw new Error(`there is no side ${name}`)
  }
}
